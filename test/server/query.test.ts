import { expect, test } from "vitest";
import { memory } from "../../src/server/index.ts";
import { call, createWriter, events, materializers, request, serve, tables } from "./app.ts";

const rows = { events, tables, materializers };

async function filled() {
  const server = serve(rows);
  const writer = createWriter();
  await writer.push(server, "one", [writer.add("a")]);
  const items = server.query(({ rows: of }) => ({
    data: { item: [...of("item")] },
    tags: ["items"],
  }));
  const ask = async (headers: Record<string, string> = {}, token: string | null = "ann") => {
    const response = await items(request("items", { headers, token }), "one");
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text && JSON.parse(text) };
  };
  return { server, ...writer, ask };
}

test("answers a query with the position that its rows are of", async () => {
  const { server, add, push, ask } = await filled();
  const { body } = await call(server, "one/pull");
  const first = await ask();
  expect(first.body).toEqual({
    mode: "snapshot",
    epoch: body.epoch,
    pos: 1,
    token: body.cursor,
    tags: ["items"],
    data: { item: [{ id: "a", title: "a", n: 0 }] },
  });
  expect(first.headers.get("Cache-Control")).toBe("private, no-cache");
  expect(first.headers.get("Vary")).toContain("Authorization");
  // The token is a place that a pull can verify.
  expect((await call(server, `one/pull?seen=${first.body.token}`)).status).toBe(200);
  await push(server, "one", [add("b")]);
  expect((await ask()).body).toMatchObject({ pos: 2, data: { item: [{}, { id: "b" }] } });
});

test("says that nothing has changed, and as of when", async () => {
  const { add, next, push, server, ask } = await filled();
  const etag = (await ask()).headers.get("ETag") as string;
  await push(server, "one", [next("item.delete", { id: "other" })]);
  const same = await ask({ "If-None-Match": `W/${etag}` });
  expect([same.status, same.headers.get("Sssync-Pos"), same.body]).toEqual([304, "2", ""]);
  expect(same.headers.get("Sssync-Token")).toBe((await call(server, "one/pull")).body.cursor);
  await push(server, "one", [add("b")]);
  expect((await ask({ "If-None-Match": etag })).status).toBe(200);
});

test("gives no answer that is older than what the client knows", async () => {
  const { server, add, push, ask } = await filled();
  const here = (await ask()).body.token;
  await push(server, "one", [add("b")]);
  const { body } = await call(server, "one/pull");
  const older = await filled();
  expect((await older.ask({ "Sssync-After": here })).status).toBe(200);
  expect(await older.ask({ "Sssync-After": body.cursor })).toMatchObject({ status: 503 });
});

test("asks who it is, and whether they may", async () => {
  const { ask, server } = await filled();
  expect((await ask({}, null)).status).toBe(401);
  const closed = server.query(() => ({ data: {} }));
  expect((await closed(request("items"), "no-entry")).status).toBe(403);
  const broken = server.query(() => Promise.reject(new Error("secret")));
  expect((await broken(request("items"), "one")).status).toBe(503);
});

test("answers a query while others write without a pause", async () => {
  const storage = memory();
  const writer = createWriter();
  const pushes: Promise<unknown>[] = [];
  let isAsked = false;
  const busy: typeof storage = {
    ...storage,
    // Whenever the query has read the head, somebody pushes, and gets as far as they may.
    read: (space, want, use) =>
      storage.read(space, want, async (tx, found) => {
        if (isAsked && use !== undefined) {
          const done: unknown[] = [];
          const push = writer.push(server, space, [writer.add(`more${pushes.length}`)]);
          pushes.push(push.finally(() => done.push(push)));
          for (let turn = 0; turn < 1000 && done.length === 0; turn += 1)
            await new Promise(setImmediate);
        }
        await use?.(tx, found);
      }),
  };
  const server = serve({ ...rows, storage: busy, deliver: "both" });
  await writer.push(server, "one", [writer.add("a")]);
  const items = server.query(({ rows: of }) => ({ data: { item: of("item") } }));
  isAsked = true;
  const response = await items(request("items"), "one");
  isAsked = false;
  await Promise.all(pushes);
  expect(response.status).toBe(200);
  const { pos, data } = await response.json();
  expect(data.item).toHaveLength(pos);
});
