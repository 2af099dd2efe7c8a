import { describe, expect, test } from "vitest";
import { createSeededRandom } from "../../src/testing/seeded-random.ts";
import {
  type LiveEvent,
  type LiveItem,
  createLiveParser,
  encodeLiveEvent,
  heartbeat,
} from "../../src/protocol/index.ts";

const events: readonly LiveEvent[] = [
  { event: "hello", data: { epoch: "e1", head: 3, heartbeat: 20_000 } },
  { event: "poke", id: "c-4", data: { epoch: "e1", head: 4, tags: ["größe\n😀\u2028"] } },
  {
    event: "page",
    id: "c-4",
    data: {
      mode: "log",
      epoch: "e1",
      from: "c-3",
      cursor: "c-4",
      pos: 4,
      head: 4,
      more: false,
      entries: [{ pos: 4, ts: 1, name: "said", payload: { text: "data: a\r\n\r\nevent: bye" } }],
    },
  },
  { event: "reset", data: { code: "reset_required", reason: "expired" } },
  { event: "bye", data: { reason: "lifetime", retryAfter: 0 } },
];
const stream = events.map(encodeLiveEvent).join(heartbeat);

const read = (chunks: readonly (Uint8Array | string)[]): LiveItem[] => {
  const parser = createLiveParser();
  return chunks.flatMap((chunk) => parser.push(chunk));
};
const eventsOf = (items: readonly LiveItem[]) =>
  items.flatMap((item) => (item.kind === "event" ? [item.event] : []));

describe("a live stream", () => {
  test("is read as it was written, with its signs of life", () => {
    const items = read([stream]);
    expect(eventsOf(items)).toEqual(events);
    expect(items.filter(({ kind }) => kind === "comment")).toHaveLength(events.length - 1);
  });

  test("can be cut anywhere, in bytes and in characters", () => {
    const bytes = new TextEncoder().encode(stream);
    for (let at = 0; at <= bytes.length; at += 1)
      expect(eventsOf(read([bytes.subarray(0, at), bytes.subarray(at)]))).toEqual(events);
    expect(eventsOf(read(Array.from(bytes, (byte) => Uint8Array.of(byte))))).toEqual(events);
    expect(eventsOf(read(stream.split("")))).toEqual(events);
  });

  test("can end its lines with CR, LF or both, begin with a BOM, and be cut between them", () => {
    const random = createSeededRandom(7);
    for (const ending of ["\r", "\n", "\r\n"]) {
      const bytes = new TextEncoder().encode(`\uFEFF${stream.replaceAll("\n", ending)}`);
      expect(eventsOf(read([bytes]))).toEqual(events);
      for (let round = 0; round < 50; round += 1) {
        const chunks: Uint8Array[] = [];
        for (let at = 0; at < bytes.length;) {
          const next = at + 1 + ((random.bytes(1)[0] as number) % 9);
          chunks.push(bytes.subarray(at, next));
          at = next;
        }
        expect(eventsOf(read(chunks))).toEqual(events);
      }
    }
  });

  test("gives nothing for what the end cut off", () => {
    expect(read([stream.slice(0, -1)]).at(-1)).not.toMatchObject({ event: { event: "bye" } });
  });

  test("takes data without a space or in several lines, and fields that are not known", () => {
    const text = `retry: 5\nfoo\nevent:bye\ndata:{"reason":"lifetime",\ndata: "retryAfter":0}\n\n`;
    expect(eventsOf(read([text]))).toEqual([events.at(-1)]);
  });

  test("goes on after what is not an event of ours", () => {
    const last = encodeLiveEvent(events[4] as LiveEvent);
    for (const junk of [
      "event: party\ndata: {}\n\n",
      "data: 1\n\n",
      "event: bye\ndata: {\n\n",
      `event: poke\ndata: {"epoch":"e","head":-1}\n\n`,
      `event: poke\ndata: {"__proto__":{}}\n\n`,
    ]) {
      const items = read([junk, last]);
      expect(items.map(({ kind }) => kind)).toEqual(["invalid", "event"]);
    }
    expect(read(["\n\nevent: bye\n\n", last]).map(({ kind }) => kind)).toEqual(["event"]);
  });

  test("keeps no more of an event than its limit", () => {
    const last = encodeLiveEvent(events[4] as LiveEvent);
    const long = `event: poke\ndata: "${"x".repeat(500)}"\n\n`;
    for (const chunks of [
      [long, last],
      [long.slice(0, -2), "\n", "\n", last],
      [long.slice(0, 300), long.slice(300, -2), "\n\n", last],
      // Many short lines are as long as one.
      [`event: poke\n${"data: 12345678\n".repeat(50)}\n`, last],
    ]) {
      const parser = createLiveParser({ maxLength: 200 });
      const items = chunks.flatMap((chunk) => parser.push(chunk));
      expect(items.map(({ kind }) => kind)).toEqual(["invalid", "event"]);
      expect(items[0]).toMatchObject({
        issue: { reason: "Expected at most 200 characters, got more" },
      });
    }
    // Signs of life are no event, however many.
    const parser = createLiveParser({ maxLength: 200 });
    expect(parser.push(":hb\n".repeat(500) + last).at(-1)).toMatchObject({ kind: "event" });
  });
});
