/**
 * `GET {space}/live`: a stream of server-sent events that says when there is something to pull.
 *
 * 1. `hello` comes first. Then pokes: hints, of which the latest says all that earlier ones said; so a reader that is slow
 *    gets one when it reads again, and nothing is kept for it.
 * 2. A comment every heartbeat shows that the stream is alive; one that was not read for two heartbeats is cut off.
 * 3. Each stream ends with `bye` and why: when the token expires, when the principal may not read any more, after its
 *    lifetime (so that connections spread over servers again), and when the server is about to go.
 * 4. One timer serves all streams.
 */
import {
  type ByeReason,
  type LiveEvent,
  encodeLiveEvent,
  fixedLimits,
  heartbeat,
  headers,
  isCursor,
} from "../protocol/index.ts";
import { checkCursor, readCursor } from "./cursors.ts";
import { Failure } from "./failure.ts";
import { type Kit, type Visit } from "./kit.ts";
import { type Principal } from "./options.ts";
import { checkSchema } from "./push.ts";

type Poke = Extract<LiveEvent, { event: "poke" }>["data"];

interface Stream {
  readonly space: string;
  readonly principal: Principal;
  /** ms: when it ends in any case. */
  readonly ends: number;
  beatAt: number;
  /** Heartbeats since the reader last took something. */
  unread: number;
  send(bytes: Uint8Array): boolean;
  bye(reason: ByeReason, retryAfter: number): void;
}

export interface Live {
  handle(visit: Visit): Promise<Response>;
  /** Asks again whether the readers of a space, or of all, may read it. */
  recheck(space?: string): Promise<void>;
  /** Says goodbye to all. */
  close(): void;
  readonly size: number;
}

const utf8 = new TextEncoder();
const encode = (event: LiveEvent): Uint8Array => utf8.encode(encodeLiveEvent(event));
const beat = utf8.encode(heartbeat);

/** Bytes that may wait to be read: enough for the first events, so that a reader that stalls is noticed soon. */
const mostUnread = 4096;

export function createLive(kit: Kit): Live {
  const { clock, limits, hub, options } = kit;
  const streams = new Set<Stream>();
  const counts = new Map<string, number>();
  let timer: unknown;
  /** Streams are looked after so often: heartbeats are late by that at most. */
  const period = Math.max(10, Math.min(1000, limits.heartbeatMs / 4));

  async function recheckOne(stream: Stream): Promise<void> {
    try {
      const may = await kit
        .deadline()
        .call("authorizeSpace", () =>
          options.authorizeSpace(stream.principal, stream.space, "read"),
        );
      if (!may) stream.bye("forbidden", 0);
    } catch (error) {
      // Nobody knows: the stream tells nothing but that there is something to pull, and each pull asks again.
      kit.report(error, "live");
    }
  }

  function look(stream: Stream, now: number): void {
    const { expiresAt = Infinity } = stream.principal;
    if (now >= expiresAt) return stream.bye("token_expired", 0);
    if (now >= stream.ends) return stream.bye("lifetime", Math.floor(kit.chance() * 1000));
    if (now < stream.beatAt) return undefined;
    stream.beatAt = now + limits.heartbeatMs;
    stream.unread = stream.send(beat) ? 0 : stream.unread + 1;
    if (stream.unread >= 2) return stream.bye("overload", 1000);
    void recheckOne(stream);
    return undefined;
  }

  function tick(): void {
    const now = clock.now();
    for (const stream of Array.from(streams)) look(stream, now);
    timer = streams.size > 0 ? clock.setTimeout(tick, period) : undefined;
  }

  function open(visit: Visit, epoch: string, first: readonly LiveEvent[]): Response {
    const { space, principal, request } = visit;
    // Here, where nothing is awaited any more: others that came at the same time are counted.
    kit.closing.check();
    if ((counts.get(principal.id) ?? 0) >= limits.streams)
      throw new Failure("rate_limited", { retryAfter: 5000 });
    const now = clock.now();
    let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
    /** A poke that the reader has not room for yet, with the tags of those before it. */
    let waiting: Poke | undefined;
    const close = (): void => {
      if (!streams.delete(stream)) return;
      leave();
      request.signal.removeEventListener("abort", close);
      const count = (counts.get(principal.id) ?? 1) - 1;
      if (count === 0) counts.delete(principal.id);
      else counts.set(principal.id, count);
      try {
        controller?.close();
      } catch {
        // The reader was faster.
      }
    };
    const stream: Stream = {
      space,
      principal,
      ends: now + limits.streamMs * (1 + 2 * kit.chance()),
      beatAt: now + limits.heartbeatMs,
      unread: 0,
      send(bytes) {
        if (controller === undefined || (controller.desiredSize ?? 0) <= 0) return false;
        controller.enqueue(bytes);
        return true;
      },
      bye(reason, retryAfter) {
        if (!streams.has(stream)) return;
        controller?.enqueue(encode({ event: "bye", data: { reason, retryAfter } }));
        close();
      },
    };
    const leave = hub.join(space, (head, tags) => {
      const poke = { epoch, head, ...(tags && { tags: [...tags] }) };
      if (stream.send(pokeFor(space, poke))) return;
      const all = new Set([...(waiting?.tags ?? []), ...(tags ?? [])]);
      waiting = { epoch, head, ...(all.size > 0 && { tags: [...all].slice(-fixedLimits.tags) }) };
    });
    const body = new ReadableStream<Uint8Array>(
      {
        start(it) {
          controller = it;
          for (const event of first) it.enqueue(encode(event));
        },
        pull() {
          stream.unread = 0;
          const poke = waiting;
          waiting = undefined;
          if (poke !== undefined) stream.send(pokeFor(space, poke));
        },
        cancel: close,
      },
      new ByteLengthQueuingStrategy({ highWaterMark: mostUnread }),
    );
    streams.add(stream);
    counts.set(principal.id, (counts.get(principal.id) ?? 0) + 1);
    request.signal.addEventListener("abort", close);
    if (request.signal.aborted) close();
    timer ??= clock.setTimeout(tick, period);
    return new Response(body, {
      headers: {
        "Content-Type": "text/event-stream",
        "Cache-Control": "no-store, no-transform",
        "X-Accel-Buffering": "no",
      },
    });
  }

  /** The same bytes for all streams of a space. */
  let last: { readonly key: string; readonly bytes: Uint8Array } | undefined;
  function pokeFor(space: string, data: Poke): Uint8Array {
    const key = `${space}\n${JSON.stringify(data)}`;
    if (last?.key !== key) last = { key, bytes: encode({ event: "poke", data }) };
    return last.bytes;
  }

  async function handle(visit: Visit): Promise<Response> {
    const { request, space, principal } = visit;
    checkSchema(kit, request);
    const text = request.headers.get(headers.lastEventId);
    if (text !== null && !isCursor(text))
      throw new Failure("bad_request", {
        message: `Expected ${headers.lastEventId} to be a cursor`,
      });
    const place = text === null ? undefined : readCursor(space, text);
    const at = typeof place === "string" ? undefined : place;
    let news = false;
    // Before the head is read: what is pushed between the two is not missed.
    const leave = hub.join(space, () => {
      news = true;
    });
    try {
      const hashesAt = at === undefined ? [] : [at.pos];
      const found = await options.storage.read(space, { limit: 0, size: 0, hashesAt });
      const { epoch, head } = found.space;
      const { expiresAt } = principal;
      const expiresIn =
        expiresAt === undefined ? {} : { expiresIn: Math.max(0, expiresAt - clock.now()) };
      const first: LiveEvent[] = [
        { event: "hello", data: { epoch, head, heartbeat: limits.heartbeatMs, ...expiresIn } },
      ];
      const reason =
        typeof place === "string"
          ? place
          : at && checkCursor(at, found.space, found.hashes[0], kit.bugs);
      if (reason !== undefined)
        first.push({ event: "reset", data: { code: "reset_required", reason } });
      else if (news || (at !== undefined && at.pos < head))
        first.push({ event: "poke", data: { epoch, head } });
      return open(visit, epoch, first);
    } finally {
      leave();
    }
  }

  return {
    handle,
    async recheck(space) {
      const all = Array.from(streams).filter((it) => space === undefined || it.space === space);
      await Promise.all(all.map(recheckOne));
    },
    close() {
      for (const stream of Array.from(streams))
        stream.bye("shutdown", Math.floor(kit.chance() * 5000));
      clock.clearTimeout(timer);
      timer = undefined;
    },
    get size() {
      return streams.size;
    },
  };
}
