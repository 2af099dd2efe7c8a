import { describe, expect, test } from "vitest";
import { type NetworkFault } from "../../src/testing/index.ts";
import { type ListTab, add, createSyncWorld, logOf, openLocal, shown } from "./world.ts";

const open = async (seed = 1, server = {}) => {
  const place = createSyncWorld({ seed, server });
  const device = place.world.createDevice();
  const tab = place.openTab(device);
  await place.world.run(tab.sync.ready);
  await place.world.pass(3000);
  return { ...place, device, tab };
};
const outbox = (tab: ListTab): string[] =>
  tab.sync.outbox.list().map(({ payload }) => (payload as { id: string }).id);

const faults: readonly NetworkFault[] = [
  "requestLost",
  "requestHung",
  "answerLost",
  "answerHung",
  "doubled",
  "html",
  "redirect",
  "wrongType",
  "oversized",
  "prototype",
  "truncated",
  400,
  401,
  403,
  404,
  405,
  409,
  413,
  415,
  418,
  426,
  429,
  500,
  502,
  503,
  504,
];

describe("bad networks", () => {
  test.each(faults)(
    "%s, for two minutes, leaves the outbox as it is, and everything is sent after it",
    async (fault) => {
      const { world, tab, storage } = await open();
      const end = world.network.always(fault, ({ url }) => !url.pathname.endsWith("live"));
      add(tab, "a");
      await world.pass(60_000);
      add(tab, "b");
      await world.pass(60_000);
      expect(shown(tab)).toEqual(["a:a", "b:b"]);
      expect(tab.sync.status).toMatchObject({ phase: "ready", rejected: 0 });
      expect(outbox(tab)).toEqual(fault === "doubled" ? [] : ["a", "b"]);
      end();
      await world.pass(400_000);
      expect(tab.sync.status).toMatchObject({ sync: "live", pending: 0, rejected: 0, fault: null });
      expect((await logOf(storage)).map(({ payload }) => payload)).toEqual([
        { id: "a", text: "a" },
        { id: "b", text: "b" },
      ]);
    },
  );

  test("every request meets something else, and each event takes effect once", async () => {
    const { world, tab, storage, openTab } = await open(2);
    const other = openTab(world.createDevice());
    await world.run(other.sync.ready);
    const kinds = faults.filter((fault) => typeof fault === "string" && fault !== "oversized");
    for (let id = 0; id < 30; id += 1) {
      const fault = kinds[world.draw(kinds.length)];
      if (fault !== undefined && world.draw(2) === 0) world.network.next(fault);
      if (world.draw(6) === 0) world.network.cut();
      add(id % 2 === 0 ? tab : other, `${id}`);
      await world.pass(world.draw(3000));
    }
    await world.pass(400_000);
    expect(await logOf(storage)).toHaveLength(30);
    expect(shown(tab)).toHaveLength(30);
    expect(shown(other)).toEqual(shown(tab));
  });
});

test("an expired token keeps the app usable and its outbox, and everything is sent when the app gives another one", async () => {
  const { world, tab, tokens, session, device, openTab } = await open();
  const follower = openTab(device);
  await world.run(follower.sync.ready);
  tokens.clear();
  const receipt = add(tab, "a");
  await world.run(receipt.durable);
  await world.pass(5000);
  expect(tab.sync.status).toMatchObject({
    phase: "ready",
    sync: "unauthorized",
    pending: 1,
    fault: { code: "unauthorized" },
  });
  expect(follower.sync.status).toMatchObject({
    sync: "unauthorized",
    fault: { code: "unauthorized" },
  });
  add(follower, "b");
  await world.pass(600_000);
  expect(shown(tab)).toEqual(["a:a", "b:b"]);
  expect(tab.sync.outbox.size).toBe(2);
  tokens.set("fresh", "anna");
  session.token = "fresh";
  await world.pass(31_000);
  expect(await world.run(receipt.settled)).toMatchObject([{ status: "accepted" }]);
  expect(tab.sync.status).toMatchObject({ sync: "live", pending: 0, fault: null });
  expect(follower.sync.status).toMatchObject({ sync: "live", fault: null });
});

test("a token that expires is asked for anew once, and nobody sees it", async () => {
  const { world, tab, tokens, session } = await open();
  const words = new Set<string>();
  tab.sync.subscribe({ next: () => void words.add(tab.sync.status.sync) });
  tokens.clear();
  tokens.set("fresh", "anna");
  session.token = "fresh";
  await world.run(add(tab, "a").settled);
  expect(words).not.toContain("unauthorized");
  expect(words).not.toContain("backoff");
});

test.each([401, 403])(
  "one %i of a proxy is asked again at once with the same token, and one that lasts is over soon after its end",
  async (status) => {
    const { world, tab } = await open();
    const words = new Set<string>();
    tab.sync.subscribe({ next: () => void words.add(tab.sync.status.sync) });
    for (const id of ["a", "b"]) {
      world.network.next(status, id === "a" ? "push" : "pull");
      const receipt = add(tab, id);
      await world.pass(1000);
      expect(await world.run(receipt.settled)).toMatchObject([{ status: "accepted" }]);
    }
    expect(Array.from(words)).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/unauthorized|forbidden|backoff/)]),
    );
    const end = world.network.always(status);
    add(tab, "c");
    await world.pass(20_000);
    expect(tab.sync.status).toMatchObject({
      sync: status === 401 ? "unauthorized" : "forbidden",
      pending: 1,
    });
    end();
    await world.pass(15_000);
    expect(tab.sync.status).toMatchObject({ sync: "live", pending: 0, fault: null });
  },
);

test("who is not let in asks ever more seldom, up to every five minutes", async () => {
  const asked: number[] = [];
  let may = true;
  const { world, tab } = await open(1, { authorizeSpace: () => may });
  const begun = world.now();
  may = false;
  world.watch((what) => {
    if (/pull|push/.test(what)) asked.push(Math.round((world.now() - begun) / 1000));
  });
  add(tab, "a");
  await world.pass(1_500_000);
  expect(Array.from(new Set(asked))).toEqual([0, 30, 90, 210, 450, 750, 1050, 1350]);
});

test("who is not let in any more is told so, keeps the outbox, and goes on when let in again", async () => {
  let may = true;
  const { world, tab } = await open(1, { authorizeSpace: () => may });
  may = false;
  add(tab, "a");
  await world.pass(5000);
  expect(tab.sync.status).toMatchObject({
    sync: "forbidden",
    pending: 1,
    fault: { code: "forbidden" },
  });
  may = true;
  await world.pass(400_000);
  expect(tab.sync.status).toMatchObject({ sync: "live", pending: 0, fault: null });
});

test("offline is a fact, and ends when the device is online", async () => {
  const { world, tab, device } = await open();
  device.setOnline(false);
  const receipt = add(tab, "a");
  await world.pass(10_000);
  expect(tab.sync.status).toMatchObject({ sync: "offline", pending: 1, fault: null });
  device.setOnline(true);
  await world.pass(2000);
  expect(await world.run(receipt.settled)).toMatchObject([{ status: "accepted" }]);
  expect(tab.sync.status.sync).toBe("live");
});

test("a commit that the server would never take is refused at once, in every tab", async () => {
  const { world, tab, device, openTab } = await open(1, {
    limits: { eventBytes: 1000, batchEvents: 2 },
  });
  const follower = openTab(device);
  await world.run(follower.sync.ready);
  await world.pass(3000);
  for (const it of [tab, follower]) {
    const long = { name: "added", payload: { id: "a", text: "x".repeat(2000) } } as const;
    expect(() => it.sync.commit(long)).toThrow(expect.objectContaining({ code: "too_large" }));
    const one = { name: "removed", payload: { id: "a" } } as const;
    expect(() => it.sync.commit([one, one, one])).toThrow(
      expect.objectContaining({ code: "too_large" }),
    );
    expect(it.sync.status.pending).toBe(0);
  }
});

test("a rejected event is taken back, told of in every tab, and kept after a reload", async () => {
  const { world, tab, device, openTab } = await open(1, {
    authorize: ({ event }: { event: { payload: { text?: string } } }) =>
      event.payload.text === "bad"
        ? { code: "app", message: "No bad things", data: { limit: 3 } }
        : true,
  });
  const follower = openTab(device);
  await world.run(follower.sync.ready);
  const told: string[] = [];
  for (const it of [tab, follower])
    it.sync.on("rejected", ({ events }) =>
      told.push(...events.map(({ event, code }) => `${event.name} ${code}`)),
    );
  const receipt = add(follower, "a", "bad");
  expect(await world.run(receipt.settled)).toMatchObject([{ status: "rejected" }]);
  await world.pass(1000);
  expect(told).toEqual(["added app", "added app"]);
  expect(shown(tab)).toEqual([]);
  await world.run(Promise.all([tab.sync.stop(), follower.sync.stop()]));
  const again = openTab(device);
  await world.run(again.sync.ready);
  expect(again.sync.rejected.list()).toMatchObject([{ code: "app", message: "No bad things" }]);
});

test("a device that had data before it had a server keeps it until the app says what it becomes", async () => {
  const place = createSyncWorld();
  const { world, openTab } = place;
  const device = world.createDevice();
  const local = openLocal(device);
  await world.run(local.sync.ready);
  add(local, "a");
  await world.pass(10_000);
  await world.run(local.sync.stop());
  const unsure = openTab(device);
  await world.run(unsure.sync.ready);
  add(unsure, "b");
  await world.pass(5000);
  expect(unsure.sync.status).toMatchObject({
    sync: "incompatible",
    fault: { code: "adoption_required" },
  });
  expect(shown(unsure)).toEqual(["a:a", "b:b"]);
  await world.run(unsure.sync.stop());
  const adopting = openTab(device, {
    adopt: ({ items }: { items: readonly { id: string; text: string }[] }) =>
      items.map((payload) => ({ name: "added", payload })),
  });
  await world.run(adopting.sync.ready);
  await world.pass(10_000);
  expect(adopting.sync.status).toMatchObject({ sync: "live", pending: 0, fault: null });
  const other = openTab(world.createDevice());
  await world.run(other.sync.ready);
  await world.pass(3000);
  expect(shown(other)).toEqual(["a:a", "b:b"]);
  expect(shown(adopting)).toEqual(["a:a", "b:b"]);
});

test("a server that asks for a pause gets it, whoever comes back to the page, and whoever leads next", async () => {
  const { world, server, tab, device, openTab } = await open();
  let asked = 0;
  world.network.serve((request) => {
    asked += 1;
    const error = { code: "unavailable", retryAfter: 30_000 };
    return world.now() < until ? Response.json({ error }, { status: 503 }) : server.fetch(request);
  });
  const until = world.now() + 29_000;
  const receipt = add(tab, "a");
  await world.pass(1000);
  expect(tab.sync.status.sync).toBe("backoff");
  const before = asked;
  for (let times = 0; times < 3; times += 1) {
    tab.hide();
    tab.show();
    await world.pass(6000);
  }
  tab.kill();
  const next = openTab(device);
  await world.run(next.sync.ready);
  await world.pass(5000);
  expect(next.sync.status).toMatchObject({ role: "leader", sync: "backoff" });
  // The live stream has pauses of its own, as long.
  expect(asked - before).toBeLessThanOrEqual(1);
  await world.pass(30_000);
  expect(next.sync.status).toMatchObject({ sync: "live", rejected: 0 });
  expect(shown(next)).toEqual(["a:a"]);
  expect(receipt.events).toHaveLength(1);
});
