import { expect, test } from "vitest";
import { type LiveEvent, createLiveParser } from "../../src/protocol/index.ts";
import { type SyncServer } from "../../src/server/index.ts";
import { createWriter, request, serve } from "./app.ts";

async function open(server: SyncServer, path: string, headers: Record<string, string> = {}) {
  const response = await server.fetch(request(path, { headers }));
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const parser = createLiveParser();
  const waiting: LiveEvent[] = [];
  return {
    response,
    cancel: () => reader.cancel(),
    /** The next event, or undefined at the end. */
    async next(): Promise<LiveEvent | undefined> {
      while (waiting.length === 0) {
        const { done, value } = await reader.read();
        if (done) return undefined;
        for (const item of parser.push(value)) if (item.kind === "event") waiting.push(item.event);
      }
      return waiting.shift();
    },
  };
}

test("counts the streams of a principal that are opened at the same time", async () => {
  const server = serve({ limits: { streams: 2 } });
  const all = [1, 2, 3, 4].map(() => server.fetch(request("one/live")));
  const statuses = (await Promise.all(all)).map(({ status }) => status);
  expect(statuses).toEqual([200, 200, 429, 429]);
});

test("keeps no stream of a reader who left before it was opened", async () => {
  const left = new AbortController();
  const server = serve({
    authorizeSpace: () => {
      left.abort();
      return true;
    },
  });
  await server.fetch(new Request(request("one/live"), { signal: left.signal }));
  expect(Reflect.get(server, "streams")).toBe(0);
});

test("keeps the tags of pokes that a slow reader has not room for", async () => {
  const server = serve();
  const response = await server.fetch(request("one/live"));
  // As much as is kept for who does not read.
  const long = "a".repeat(128);
  for (let count = 0; count < 40; count += 1) await server.poke("one", [long]);
  for (const tag of ["b", "c", "b"]) await server.poke("one", [tag]);
  await server.poke("one");
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  let text = "";
  while (!text.includes(`"b"`)) text += new TextDecoder().decode((await reader.read()).value);
  expect(text).toContain(`"tags":["${long}","b","c"]`);
});

test("says hello first, and pokes readers of the space that was written to", async () => {
  const server = serve();
  const { add, push } = createWriter();
  const [one, two] = [await open(server, "one/live"), await open(server, "two/live")];
  expect(one.response.headers.get("Content-Type")).toBe("text/event-stream");
  expect(await one.next()).toMatchObject({ event: "hello", data: { head: 0, heartbeat: 20_000 } });
  await two.next();
  await push(server, "one", [add("a")]);
  expect(await one.next()).toMatchObject({ event: "poke", data: { head: 1 } });
  await server.poke("two", ["tag"]);
  expect(await two.next()).toMatchObject({ event: "poke", data: { head: 0, tags: ["tag"] } });
  expect(server.streams).toBe(2);
  await one.cancel();
  expect(server.streams).toBe(1);
  await server.drain();
  expect(await two.next()).toMatchObject({ event: "bye", data: { reason: "shutdown" } });
  expect(await two.next()).toBeUndefined();
});
