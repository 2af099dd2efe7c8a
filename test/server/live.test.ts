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
