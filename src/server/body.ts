/** Reads the body of a request: never more of it than may be, compressed or not. */
import { bytesOf } from "../protocol/bytes.ts";
import { type ParseLimits, parseJson } from "../protocol/index.ts";
import { Failure } from "./failure.ts";

export interface BodyLimits extends ParseLimits {
  readonly bytes: number;
}

const gunzip = () =>
  new DecompressionStream("gzip") as unknown as ReadableWritablePair<Uint8Array, Uint8Array>;

/** The value of a JSON body, and the bytes that it had. Throws `Failure`. */
export async function readBody(
  request: Request,
  { bytes, ...limits }: BodyLimits,
): Promise<{ readonly value: unknown; readonly size: number }> {
  const type = request.headers.get("Content-Type")?.split(";")[0]?.trim().toLowerCase();
  if (type !== "application/json")
    throw new Failure("unsupported_media_type", { message: "Expected application/json" });
  const encoding = request.headers.get("Content-Encoding")?.trim().toLowerCase() ?? "identity";
  if (encoding !== "identity" && encoding !== "gzip")
    throw new Failure("unsupported_media_type", { message: "Expected gzip, or no encoding" });
  if (Number(request.headers.get("Content-Length") ?? 0) > bytes)
    throw new Failure("too_large", { limits: { bodyBytes: bytes } });
  const { body } = request;
  if (body === null) throw new Failure("bad_request", { message: "Expected a body" });
  let raw: Uint8Array | undefined;
  try {
    raw = await bytesOf(encoding === "gzip" ? body.pipeThrough(gunzip()) : body, bytes);
  } catch {
    // The peer went away, or it is no gzip: either way nothing was read that could have an effect.
    throw new Failure("bad_request", { message: "Expected a whole body" });
  }
  if (raw === undefined) throw new Failure("too_large", { limits: { bodyBytes: bytes } });
  const parsed = parseJson(raw, limits);
  if ("issue" in parsed) throw new Failure("bad_request", { message: describe(parsed.issue) });
  return { value: parsed.value, size: raw.length };
}

export const describe = ({ path, reason }: { path: string; reason: string }): string =>
  `${path}: ${reason}`.slice(0, 300);
