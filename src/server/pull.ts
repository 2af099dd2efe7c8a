/** `GET {space}/pull`: entries after a cursor, or a snapshot; and `GET {space}/snapshot/{id}`: the other pages of one. */
import { type CursorParts, fixedLimits, isCursor } from "../protocol/index.ts";
import { checkCursor, cursorAt, readCursor } from "./cursors.ts";
import { Failure } from "./failure.ts";
import { type Kit, type Visit } from "./kit.ts";
import { checkSchema } from "./push.ts";
import { type ReadFound, type ReadWant, type SnapshotHead, type SpaceHead } from "./storage.ts";

/** A whole number of a query, not below `least`. */
function whole(url: URL, name: string, least: number, most: number): number | undefined {
  const text = url.searchParams.get(name);
  if (text === null) return undefined;
  const number = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(number) || number < least)
    throw new Failure("bad_request", { message: `Expected ${name} to be ${least} or more` });
  return Math.min(number, most);
}

function expectCursor(text: string, name: string): string {
  if (isCursor(text)) return text;
  throw new Failure("bad_request", { message: `Expected ${name} to be a cursor` });
}

const json = (text: string, headers: Readonly<Record<string, string>> = {}): Response =>
  new Response(text, { headers: { "Content-Type": "application/json", ...headers } });

/** JSON of a page, around rows that are JSON already. */
export const pageText = (head: object, name: string, raw: string): string =>
  `${JSON.stringify(head).slice(0, -1)},"${name}":${raw}}`;

const snapshotText = (
  space: string,
  { epoch }: SpaceHead,
  of: SnapshotHead,
  { no, head, data }: { readonly no: number; readonly head: number; readonly data: string },
): string => {
  const next = no + 1 < of.pages ? String(no + 1) : null;
  const cursor = cursorAt(space, epoch, of.pos, of.hash);
  const page = { mode: "snapshot", epoch, from: null, cursor, pos: of.pos, head };
  return pageText({ ...page, next, snapshot: of.id }, "data", data);
};

/** What a reader says of where it stands. */
interface Place {
  /** As it was sent. */
  readonly cursor: string | null;
  readonly at: CursorParts | undefined;
  readonly seen: readonly CursorParts[];
}

function readPlace({ url, space }: Visit): Place {
  const cursor = url.searchParams.get("cursor");
  const seen = url.searchParams.getAll("seen").flatMap((it) => it.split(","));
  if (seen.length > fixedLimits.seen)
    throw new Failure("bad_request", { message: `Expected at most ${fixedLimits.seen} seen` });
  const read = (text: string, name: string): CursorParts => {
    const parts = readCursor(space, expectCursor(text, name));
    if (typeof parts === "string") throw new Failure("reset_required", { reason: parts });
    return parts;
  };
  return {
    cursor,
    at: cursor === null ? undefined : read(cursor, "cursor"),
    seen: seen.map((it) => read(it, "seen")),
  };
}

/** What is read of the log, for a reader who stands there. */
function wantOf({ at, seen }: Place, limit: number, size: number): ReadWant {
  const hashesAt = seen.map(({ pos }) => pos);
  if (at === undefined) return { after: 0, limit, size, page: { no: 0 }, hashesAt };
  return { after: at.pos, limit, size, hashesAt: [at.pos, ...hashesAt] };
}

/** Refuses to go on from a place that this log has not. */
function checkPlace({ bugs }: Kit, { at, seen }: Place, { space, hashes }: ReadFound): void {
  const reason = at && checkCursor(at, space, hashes[0], bugs);
  if (reason !== undefined) throw new Failure("reset_required", { reason });
  if (bugs.has("no-seen")) return;
  for (const [index, parts] of seen.entries()) {
    const hash = hashes[index + (at === undefined ? 0 : 1)];
    const wrong = checkCursor(parts, space, hash, bugs);
    // Rows from before the floor cannot be verified any more; the reader's cursor is beyond them.
    if (wrong !== undefined && wrong !== "expired")
      throw new Failure("reset_required", { reason: wrong });
  }
}

/** One consistent read: a page, or why there is none. `isEmpty`: the reader has all there is. */
async function readPage(
  kit: Kit,
  space: string,
  place: Place,
  limit: number,
): Promise<{ readonly text: string; readonly isEmpty: boolean }> {
  const { storage } = kit.options;
  const size = kit.limits.pageBytes;
  const found = await storage.read(space, wantOf(place, limit, size));
  checkPlace(kit, place, found);
  const { page } = found;
  if (page !== undefined) {
    const { head } = found.space;
    const text = snapshotText(space, found.space, page.of, { no: 0, head, data: page.data });
    return { text, isEmpty: false };
  }
  // Without a cursor and without a snapshot the log has all of it.
  const { head, epoch, floor, floorHash } = found.space;
  const { pos, hash } = found.rows.at(-1) ?? place.at ?? { pos: floor, hash: floorHash };
  const cursor = cursorAt(space, epoch, pos, hash);
  const more = pos < head;
  const text = pageText(
    { mode: "log", epoch, from: place.cursor, cursor, pos, head, more },
    "entries",
    `[${found.rows.map(({ entry }) => entry).join(",")}]`,
  );
  return { text, isEmpty: found.rows.length === 0 };
}

/** Waits for a head above `pos` that another push makes. */
export interface Waiter {
  /** Resolves at the next news since `wait` was made, after `ms`, or when the reader goes away. */
  news(ms: number): Promise<void>;
  leave(): void;
}

function waitFor({ hub, clock, closing }: Kit, space: string, signal: AbortSignal): Waiter {
  let heard = false;
  let wake: (() => void) | undefined;
  const hear = (): void => {
    heard = true;
    wake?.();
  };
  const leave = hub.join(space, hear);
  signal.addEventListener("abort", hear);
  const stay = closing.tell(hear);
  return {
    async news(ms) {
      let timer: unknown;
      if (!heard)
        await new Promise<void>((resolve) => {
          wake = resolve;
          timer = clock.setTimeout(resolve, ms);
        });
      clock.clearTimeout(timer);
      heard = false;
    },
    leave() {
      leave();
      signal.removeEventListener("abort", hear);
      stay();
    },
  };
}

export async function handlePull(kit: Kit, visit: Visit): Promise<Response> {
  const { clock, limits } = kit;
  const { request, url, space } = visit;
  checkSchema(kit, request);
  const limit = whole(url, "limit", 1, limits.pageEntries) ?? limits.pageEntries;
  const wait = whole(url, "wait", 0, fixedLimits.waitMs / 1000) ?? 0;
  const place = readPlace(visit);
  if (wait === 0) return json((await readPage(kit, space, place, limit)).text);
  const until = clock.now() + wait * 1000;
  // Before the first look: what is pushed between the two is not missed.
  const waiter = waitFor(kit, space, request.signal);
  try {
    for (;;) {
      const page = await readPage(kit, space, place, limit);
      const left = until - clock.now();
      if (!page.isEmpty || left <= 0 || request.signal.aborted || kit.closing.isOn)
        return json(page.text);
      await waiter.news(left);
    }
  } finally {
    waiter.leave();
  }
}

export async function handleSnapshot(kit: Kit, visit: Visit, id: string): Promise<Response> {
  const { url, space } = visit;
  const no = whole(url, "page", 0, Number.MAX_SAFE_INTEGER) ?? 0;
  const want = { limit: 0, size: 0, page: { snapshot: id, no } };
  const { space: head, page } = await kit.options.storage.read(space, want);
  // The reader starts again, without a cursor. It was there once, so 410; a newer one took its place.
  if (page === undefined) throw new Failure("not_found", {}, 410);
  const { of, data } = page;
  const text = snapshotText(space, head, of, { no, head: of.pos, data });
  return json(text, { "Cache-Control": "private, max-age=3600, immutable" });
}
