/** Cursors as this server makes them. Clients must not read them: another server's look otherwise. */

/** A place in a log that can be found again, or found to be gone. */
export interface CursorParts {
  readonly epoch: string;
  readonly pos: number;
  /** The chain hash at `pos`: another history that reaches the same position has another one. */
  readonly hash: string;
  /** What the reader may see; another scope needs other rows. */
  readonly scope?: string;
}

/** Writes a cursor: base64url of a JSON array. */
export function encodeCursor({ epoch, pos, hash, scope }: CursorParts): string {
  const json = JSON.stringify(scope === undefined ? [epoch, pos, hash] : [epoch, pos, hash, scope]);
  const bytes = new TextEncoder().encode(json);
  return btoa(String.fromCodePoint(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}

/** Reads a cursor; undefined when it is none of ours. Never throws. */
export function decodeCursor(cursor: string): CursorParts | undefined {
  try {
    const binary = atob(cursor.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(binary, (it) => it.codePointAt(0) as number);
    const parts: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    if (!Array.isArray(parts) || parts.length < 3 || parts.length > 4) return undefined;
    const [epoch, pos, hash, scope] = parts as unknown[];
    if (typeof epoch !== "string" || typeof hash !== "string") return undefined;
    if (typeof pos !== "number" || !Number.isSafeInteger(pos) || pos < 0) return undefined;
    if (scope === undefined) return { epoch, pos, hash };
    return typeof scope === "string" ? { epoch, pos, hash, scope } : undefined;
  } catch {
    return undefined;
  }
}
