import { describe, expect, test } from "vitest";
import { createWorld } from "../../src/testing/index.ts";
import { add, createSyncWorld, logOf, shown } from "./world.ts";

describe("the option server", () => {
  const bad: readonly (readonly [what: string, server: unknown])[] = [
    ["no object", "https://host/sync/me"],
    ["null", null],
    ["no url", {}],
    ["a url without a space", { url: "https://host" }],
    ["a url with a query", { url: "/sync/me?a=1" }],
    ["a url with a password", { url: "https://a:b@host/sync/me" }],
    ["a url of another scheme", { url: "ftp://host/sync/me" }],
    ["a relative path", { url: "sync/me" }],
    ["a space that is no name", { url: "/sync/.." }],
    ["auth that is no function", { url: "/sync/me", auth: "token" }],
    ["adopt that is no function", { url: "/sync/me", adopt: [] }],
    ["another live", { url: "/sync/me", live: "ws" }],
  ];
  test.each(bad)("%s is a config error", (_, server) => {
    const page = createWorld().createDevice();
    const config = { name: "x", tables: {}, events: {}, materializers: {}, server };
    expect(() => page.openTab(config as never)).toThrow(
      expect.objectContaining({ code: "config" }),
    );
  });
});

test("another user has another client and another outbox, and the one before keeps theirs", async () => {
  const { world, tokens, session, openTab, storage } = createSyncWorld();
  const tab = openTab(world.createDevice());
  await world.run(tab.sync.ready);
  tokens.clear();
  await world.run(add(tab, "a").durable);
  await world.pass(1000);
  await expect(world.run(tab.sync.switchUser("eve"))).rejects.toMatchObject({
    code: "undecided",
    pending: 1,
  });
  const eve = await world.run(tab.sync.switchUser("eve", { force: true }));
  tokens.set("token", "eve");
  await world.run(eve.ready);
  const receipt = eve.commit({ name: "added", payload: { id: "b", text: "b" } });
  expect(await world.run(receipt.settled)).toMatchObject([{ status: "accepted" }]);
  expect(eve.tables.items.toArray().map(({ id }) => id)).toEqual(["b"]);
  tokens.clear();
  tokens.set("fresh", "anna");
  session.token = "fresh";
  const anna = await world.run(eve.switchUser(undefined));
  await world.run(anna.ready);
  await world.pass(5000);
  expect(anna.tables.items.toArray().map(({ id }) => id)).toEqual(["a", "b"]);
  const clients = (await logOf(storage)).map(({ client }) => client);
  expect(new Set(clients).size).toBe(2);
});

test("stop in the middle of a push loses nothing, and destroy asks before it does", async () => {
  const { world, openTab } = createSyncWorld();
  const device = world.createDevice();
  const tab = openTab(device);
  await world.run(tab.sync.ready);
  const end = world.network.delay("push");
  add(tab, "a");
  await world.pass(1000);
  await expect(world.run(tab.sync.destroy())).rejects.toMatchObject({ code: "undecided" });
  await world.run(tab.sync.stop());
  end();
  const again = openTab(device);
  await world.run(again.sync.ready);
  await world.pass(3000);
  expect(shown(again)).toEqual(["a:a"]);
  expect(again.sync.status).toMatchObject({ sync: "live", pending: 0 });
  expect(again.sync.outbox.size).toBe(0);
});
