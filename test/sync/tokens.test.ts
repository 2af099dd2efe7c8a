/** Tokens that end, wherever it is noticed; an app that gives none in time, and one that gives another user's. */
import { describe, expect, test } from "vitest";
import { add, createSyncWorld, logOf, serverTables, shown } from "./world.ts";

const never = (): Promise<string> => new Promise(() => undefined);

/** Counts how often the app is asked. Each `give` answers one question; the last one all that follow. */
function asking(...give: readonly (() => string | Promise<string>)[]) {
  let asked = 0;
  const auth = () => {
    asked += 1;
    return (give[asked - 1] ?? give.at(-1))?.();
  };
  return { auth, asked: () => asked };
}

describe("an app that never answers when it is asked for a token", () => {
  test("at the beginning is asked again, and everything is sent", async () => {
    const { world, openTab, storage } = createSyncWorld();
    const tab = openTab(
      world.createDevice(),
      asking(never, () => "token"),
    );
    await world.run(tab.sync.ready);
    add(tab, "a");
    await world.pass(40_000);
    expect(tab.sync.status).toMatchObject({ sync: "live", pending: 0, fault: null });
    expect(await logOf(storage)).toHaveLength(1);
  });

  test("in place of one that was refused is asked again, and everything is sent", async () => {
    const { world, openTab, tokens } = createSyncWorld();
    const { auth, asked } = asking(
      () => "token",
      never,
      never,
      () => "fresh",
    );
    const tab = openTab(world.createDevice(), { auth });
    await world.run(tab.sync.ready);
    await world.pass(3000);
    tokens.clear();
    tokens.set("fresh", "anna");
    add(tab, "a");
    await world.pass(31_000);
    expect(tab.sync.status).toMatchObject({ sync: "unauthorized", pending: 1 });
    await world.pass(130_000);
    expect(asked()).toBe(4);
    expect(tab.sync.status).toMatchObject({ sync: "live", pending: 0, fault: null });
  });
});

describe("a token that expires is asked for anew once, wherever it is noticed", () => {
  test.each(["push", "pull", "live"])("by a %s", async (endpoint) => {
    const { world, openTab, tokens, server } = createSyncWorld();
    const { auth, asked } = asking(
      () => "token",
      () => "fresh",
    );
    const tab = openTab(world.createDevice(), { auth });
    await world.run(tab.sync.ready);
    await world.pass(3000);
    tokens.set("fresh", "anna");
    // The others take the old one as well.
    world.network.serve((request) =>
      new URL(request.url).pathname.endsWith(endpoint) &&
      request.headers.get("authorization") === "Bearer token"
        ? Response.json({ error: { code: "token_expired" } }, { status: 401 })
        : server.fetch(request),
    );
    const before = asked();
    if (endpoint === "live") {
      // In the middle of the stream, and at the next one.
      tokens.delete("token");
      await server.recheck();
      world.network.cut();
    }
    add(tab, "a");
    await world.pass(5000);
    expect(asked() - before).toBe(1);
    expect(tab.sync.status).toMatchObject({ sync: "live", pending: 0, fault: null });
  });

  test("by a page of a snapshot", async () => {
    const { world, openTab, tokens, server } = createSyncWorld({
      server: { ...serverTables, limits: { pageEntries: 5, pageBytes: 2000 } },
    });
    const first = openTab(world.createDevice());
    await world.run(first.sync.ready);
    for (let id = 10; id < 40; id += 1) add(first, `${id}`, "x".repeat(100));
    await world.pass(5000);
    await server.compact("me");
    const { auth, asked } = asking(
      () => "token",
      () => "fresh",
    );
    let pages = 0;
    world.network.serve((request) => {
      pages += new URL(request.url).pathname.includes("/snapshot/") ? 1 : 0;
      if (pages === 2 && tokens.delete("token")) tokens.set("fresh", "anna");
      return server.fetch(request);
    });
    const tab = openTab(world.createDevice(), { auth });
    await world.run(tab.sync.ready);
    await world.pass(5000);
    expect(asked()).toBe(2);
    expect(shown(tab)).toEqual(shown(first));
    expect(tab.sync.status).toMatchObject({ sync: "live", fault: null });
  });
});

test("the token of somebody else, whom the server does not let into the space, sends nothing and shows nothing of theirs", async () => {
  const { world, openTab, tokens, session, storage } = createSyncWorld({
    server: { authorizeSpace: ({ id }: { readonly id: string }, name: string) => id === name },
  });
  tokens.set("hers", "me");
  session.token = "hers";
  const tab = openTab(world.createDevice());
  await world.run(tab.sync.ready);
  await world.run(add(tab, "a").settled);
  // Somebody else signs in, in another tab: `auth` gives what is in `localStorage`.
  tokens.delete("hers");
  session.token = "token";
  add(tab, "b");
  await world.pass(600_000);
  expect(tab.sync.status).toMatchObject({ sync: "forbidden", pending: 1 });
  expect(shown(tab)).toEqual(["a:a", "b:b"]);
  expect(await logOf(storage)).toHaveLength(1);
  tokens.set("fresh", "me");
  session.token = "fresh";
  await world.pass(31_000);
  expect(tab.sync.status).toMatchObject({ sync: "live", pending: 0, fault: null });
  expect(await logOf(storage)).toHaveLength(2);
});
