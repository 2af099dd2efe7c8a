/** A live stream, read in the background. */
import { type LiveEvent, type LiveItem, createLiveParser, headers } from "../protocol/index.ts";
import { Failed, must, mustNotBeStored } from "./check.ts";
import { type Target, type TokenName, read, send } from "./target.ts";

export interface LiveOptions {
  readonly cursor?: string;
  readonly as?: TokenName;
  readonly bearer?: string;
  /** Of a second process. */
  readonly base?: string;
}

type Named<N extends LiveEvent["event"]> = Extract<LiveEvent, { event: N }>;

export interface Live {
  /** The next event of a name; others before it are passed over. Fails after `ms`. */
  event<N extends LiveEvent["event"]>(name: N, ms: number): Promise<Named<N>>;
  /** The next thing that `match` takes. */
  next<T extends LiveItem>(
    what: string,
    match: (item: LiveItem) => item is T,
    ms: number,
  ): Promise<T>;
  /** Resolves when the server ended the stream. Fails after `ms`. */
  ended(ms: number): Promise<void>;
  /** All that came. */
  readonly items: readonly LiveItem[];
  close(): void;
}

/** Opens a stream; a refusal is a `Failed` that names the answer. */
export async function openLive(
  target: Target,
  signal: AbortSignal,
  slack: number,
  space: string,
  { cursor, as, bearer, base }: LiveOptions,
): Promise<Live> {
  const closing = new AbortController();
  const both = AbortSignal.any([signal, closing.signal]);
  const response = await send(target, `${base ?? ""}/${space}/live`, {
    ...(as && { as }),
    ...(bearer !== undefined && { bearer }),
    headers: {
      accept: "text/event-stream",
      ...(cursor !== undefined && { [headers.lastEventId]: cursor }),
    },
    signal: both,
  });
  if (response.status !== 200) {
    const { status, text } = await read(response);
    throw new Failed(`Expected a live stream, got ${status} ${text.slice(0, 200)}`);
  }
  const type = response.headers.get("content-type") ?? "";
  must(
    "the content type of a live stream to be text/event-stream",
    type.startsWith("text/event-stream"),
    type,
  );
  mustNotBeStored("a live stream", response.headers);
  const body = response.body;
  must("a live stream to have a body", body !== null);

  const items: LiveItem[] = [];
  let taken = 0;
  let over: string | undefined;
  let wake: (() => void) | undefined;
  const hear = (): Promise<void> => new Promise((resolve) => (wake = resolve));
  let news = hear();
  const tell = (): void => {
    wake?.();
    news = hear();
  };
  const reader = body.getReader();
  const stop = (): void => {
    over ??= "closed";
    reader.cancel().catch(() => undefined); // It had ended already.
    tell();
  };
  both.addEventListener("abort", stop, { once: true });
  const parser = createLiveParser();
  const pump = async (): Promise<void> => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      items.push(...parser.push(value));
      tell();
    }
  };
  pump()
    .then(
      () => (over ??= "ended"),
      (error: unknown) => (over ??= `broken: ${String(error)}`),
    )
    .finally(tell);

  /** Waits for news until a time; false when it has come. */
  const more = async (until: number): Promise<boolean> => {
    const left = until - performance.now();
    if (left <= 0) return false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, left)));
    await Promise.race([news, late]);
    clearTimeout(timer);
    return true;
  };

  const next: Live["next"] = async (what, match, ms) => {
    const until = performance.now() + ms * slack;
    for (;;) {
      while (taken < items.length) {
        const item = items[taken] as LiveItem;
        taken += 1;
        must("a stream of events of the protocol", item.kind !== "invalid", item);
        if (match(item)) return item;
      }
      if (over !== undefined) throw new Failed(`Expected ${what}, got a stream that ${over}`);
      if (!(await more(until)))
        throw new Failed(`Expected ${what} within ${ms * slack} ms, got none`);
    }
  };

  return {
    items,
    next,
    async event<N extends LiveEvent["event"]>(name: N, ms: number) {
      type Item = Extract<LiveItem, { kind: "event" }>;
      const is = (item: LiveItem): item is Item =>
        item.kind === "event" && item.event.event === name;
      return (await next<Item>(`the event ${name}`, is, ms)).event as Named<N>;
    },
    async ended(ms) {
      const until = performance.now() + ms * slack;
      for (;;) {
        if (over !== undefined) return;
        if (!(await more(until)))
          throw new Failed(`Expected the stream to end within ${ms * slack} ms, got an open one`);
      }
    },
    close: () => closing.abort(),
  };
}
