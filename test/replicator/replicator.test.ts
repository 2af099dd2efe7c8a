import { expect, test } from "vitest";
import { event } from "../model/app.ts";
import { createModelServer } from "./server.ts";
import { Died, type Tab, createDisk, openTab } from "./tab.ts";

const limits = { events: 100, bytes: 1_000_000, most: 100 };
const one = (tab: Tab): unknown => tab.replica.tables.get("one")?.toArray();

async function start() {
  const server = createModelServer({ snapshots: false });
  const disk = createDisk();
  const leader = await openTab(disk);
  const other = await openTab(disk);
  await leader.lead();
  return { server, disk, leader, other };
}
async function put(tab: Tab, ...units: Parameters<Tab["commit"]>[0][]): Promise<void> {
  for (const unit of units) tab.commit(unit);
  await tab.flush();
}
async function push(tab: Tab, server: ReturnType<typeof createModelServer>): Promise<unknown> {
  const attempted = await tab.replicator.attempt(limits);
  if (attempted.tag !== "send") return attempted.tag;
  return await tab.replicator.answered(attempted.request, server.push(attempted.request));
}
async function pull(tab: Tab, server: ReturnType<typeof createModelServer>): Promise<unknown> {
  const page = server.pull(tab.replicator.look().cursor, 100);
  return page === null ? "reset" : await tab.replicator.pulled(page);
}

test("G5 pushes, keeps what is acknowledged on screen, and settles it when it is seen in the log", async () => {
  const { server, leader, other } = await start();
  const mine = event("put", { id: "a" });
  await put(other, [mine]);
  await leader.catchUp();
  expect(leader.replicator.look()).toMatchObject({ undecided: 1, unseen: 0, cursor: null });
  expect(await push(leader, server)).toBe("done");
  expect(leader.replicator.look()).toMatchObject({ undecided: 0, unseen: 1 });
  await other.catchUp();
  expect(one(other)).toEqual([{ id: "a", x: 1 }]);
  expect(other.decisions.size).toBe(0);
  expect(await pull(leader, server)).toBe("done");
  await other.catchUp();
  expect(other.decisions.get(mine.id)).toEqual({ id: mine.id, status: "accepted" });
  expect(other.replica.overlay.length).toBe(0);
  expect(one(other)).toEqual([{ id: "a", x: 1 }]);
  expect(await pull(leader, server)).toBe("nothing");
});

test("G5 a rejected event leaves every view, with what the server said, in every tab and after a reload", async () => {
  const { server, disk, leader, other } = await start();
  server.refuse(["set"]);
  await put(other, [event("put", { id: "a" })], [event("set", { id: "a", x: 9 })]);
  await leader.catchUp();
  await push(leader, server);
  await other.catchUp();
  expect(one(other)).toEqual([{ id: "a", x: 1 }]);
  const [refused] = Array.from(other.decisions.values());
  expect(refused).toMatchObject({ status: "rejected", error: { code: "rejected" } });
  expect(refused?.status === "rejected" && refused.error.cause).toMatchObject({
    code: "forbidden",
  });
  expect(other.rejected).toMatchObject([{ code: "forbidden", by: "server" }]);
  await leader.fold();
  const fresh = await openTab(disk);
  expect(Array.from(fresh.replica.rejected.values())).toMatchObject([{ code: "forbidden" }]);
  expect(one(fresh)).toEqual([{ id: "a", x: 1 }]);
});

test("G5 an answer that was lost is read from the log", async () => {
  const { server, leader } = await start();
  const mine = event("put", { id: "a" });
  await put(leader, [mine]);
  const attempted = await leader.replicator.attempt(limits);
  if (attempted.tag === "send") server.push(attempted.request);
  await leader.replicator.failed(5000);
  expect(leader.replicator.look()).toMatchObject({ undecided: 1, attempt: 1, notBefore: 5000 });
  await pull(leader, server);
  expect(leader.decisions.get(mine.id)?.status).toBe("accepted");
  // It comes after all, and says nothing new.
  if (attempted.tag !== "send") throw new Error("Expected a push");
  const late = server.push(attempted.request);
  expect(await leader.replicator.answered(attempted.request, late)).toBe("nothing");
});

test("G5 the next leader sends the same numbers, in the same order, whatever the one before knew", async () => {
  const { server, leader, other } = await start();
  await put(leader, [event("put", { id: "a" })], [event("put", { id: "b" })]);
  const before = await leader.replicator.attempt({ ...limits, most: 1 });
  await other.catchUp();
  await other.lead();
  const after = await other.replicator.attempt(limits);
  if (before.tag !== "send" || after.tag !== "send") throw new Error("Expected pushes");
  expect(after.request.client).toBe(before.request.client);
  expect(after.request.events.map(({ seq }) => seq)).toEqual([1, 2]);
  expect(after.request.events[0]).toEqual(before.request.events[0]);
  server.push(before.request);
  server.push(after.request);
  expect(server.log.map(({ payload }) => (payload as { id: string }).id)).toEqual(["a", "b"]);
});

test("G10 a leader that was followed writes no attempt, and sends nothing", async () => {
  const { leader, other } = await start();
  await put(leader, [event("put", { id: "a" })]);
  const { term } = leader.shared;
  await other.lead();
  leader.shared.term = term;
  leader.follower.startLeading();
  expect(await leader.replicator.attempt(limits)).toEqual({ tag: "fenced" });
});

test("G3 sends a commit of several events whole, or says that it cannot be sent", async () => {
  const { leader } = await start();
  const unit = [1, 2, 3].map((x) => event("up", { id: `r${x}`, x }, "commit-01"));
  await put(leader, [event("put", { id: "a" })], unit);
  const small = await leader.replicator.attempt({ ...limits, events: 3 });
  expect(small.tag === "send" && small.request.events.length).toBe(1);
  await leader.replicator.refuse(
    [small.tag === "send" ? (small.request.events[0]?.id ?? "") : ""],
    {
      code: "expired",
    },
  );
  const ids = unit.map(({ id }) => id);
  expect(await leader.replicator.attempt({ ...limits, events: 2 })).toEqual({
    tag: "oversize",
    ids,
  });
  expect(await leader.replicator.attempt({ ...limits, bytes: 150 })).toEqual({
    tag: "oversize",
    ids,
  });
  const few = await leader.replicator.attempt({ ...limits, most: 1 });
  expect(few.tag === "send" && few.request.events.map(({ tx }) => tx)).toEqual(
    ids.map(() => "commit-01"),
  );
  await leader.replicator.refuse(ids.slice(0, 1), { code: "too_large" });
  expect(Array.from(leader.replica.rejected.values(), ({ code }) => code)).toEqual([
    "expired",
    "too_large",
    "tx_aborted",
    "tx_aborted",
  ]);
});

test("nothing takes the place of an event that was sent, in any tab", async () => {
  const { server, leader, other } = await start();
  const [first, second, third] = [1, 2, 3].map((x) => event("slide", { id: "a", x }));
  await put(leader, [first as never], [second as never]);
  await other.catchUp();
  other.commit([third as never]);
  expect(other.replica.overlay.map(({ outcome }) => outcome?.tag)).toEqual([
    "superseded",
    "applied",
  ]);
  const attempted = await leader.replicator.attempt(limits);
  expect(attempted.tag === "send" && attempted.request.events.map(({ id }) => id)).toEqual([
    second?.id,
  ]);
  await other.catchUp();
  expect(other.replica.overlay.map(({ outcome }) => outcome?.tag)).toEqual(["applied", "applied"]);
  if (attempted.tag === "send")
    await leader.replicator.answered(attempted.request, server.push(attempted.request));
  await other.flush();
  await leader.catchUp();
  await push(leader, server);
  await pull(leader, server);
  expect(server.log.map(({ id }) => id)).toEqual([second?.id, third?.id]);
});

test("an event whose place was taken before it was sent is decided without the server", async () => {
  const { server, disk, leader } = await start();
  const [first, second] = [1, 2].map((x) => event("slide", { id: "a", x }));
  leader.commit([first as never]);
  await leader.flush();
  leader.commit([second as never]);
  await leader.flush();
  expect(await leader.decide()).toBe("done");
  expect(await leader.decide()).toBe("nothing");
  expect(leader.decisions.get(first?.id ?? "")?.status).toBe("superseded");
  expect((await openTab(disk)).replica.overlay.map(({ unit }) => unit[0]?.id)).toEqual([
    second?.id,
  ]);
  await push(leader, server);
  expect(server.log.map(({ id }) => id)).toEqual([second?.id]);
});

test("a duplicate stays on screen until its original is seen", async () => {
  const { server, leader } = await start();
  const disk = createDisk("server", "client-1");
  const there = await openTab(disk);
  await there.lead();
  await put(there, [event("invite", { id: "z", x: 7 })]);
  await push(there, server);
  const mine = event("invite", { id: "z", x: 7 });
  await put(leader, [mine]);
  await push(leader, server);
  expect(one(leader)).toEqual([{ id: "z", x: 17 }].map(() => ({ id: "z", x: 10 })));
  expect(leader.decisions.size).toBe(0);
  await pull(leader, server);
  expect(one(leader)).toEqual([{ id: "z", x: 10 }]);
  expect(leader.decisions.get(mine.id)?.status).toBe("duplicate");
});

test("G5 sends again what a restored server has lost, under the numbers that it waits for", async () => {
  const { server, leader } = await start();
  const empty = server.backup();
  await put(leader, [event("put", { id: "a" })]);
  await push(leader, server);
  server.restore(empty);
  await put(leader, [event("put", { id: "b" })]);
  // It waits for number 1, which is acknowledged here.
  expect(await push(leader, server)).toBe("resend");
  expect(one(leader)).toHaveLength(2);
  expect(await push(leader, server)).toBe("done");
  expect(server.log.map(({ seq }) => seq)).toEqual([1, 2]);
  server.forgetClients();
  await pull(leader, server);
  await put(leader, [event("put", { id: "c" })]);
  expect(await push(leader, server)).toBe("rotate");
  await leader.replicator.rotate();
  expect(await push(leader, server)).toBe("done");
  await pull(leader, server);
  expect(server.log.map(({ seq }) => seq)).toEqual([1, 2, 1]);
  expect(leader.replica.overlay.length).toBe(0);
});

test("G5 sends again what is not in the log where it was said to be", async () => {
  const { server, leader } = await start();
  const empty = server.backup();
  await put(leader, [event("put", { id: "a" })]);
  await push(leader, server);
  server.restore(empty);
  const there = await openTab(createDisk("server", "client-1"));
  await there.lead();
  await put(there, [event("put", { id: "b" })]);
  await push(there, server);
  await pull(leader, server);
  expect(leader.replicator.look()).toMatchObject({ undecided: 1, unseen: 0 });
  expect(one(leader)).toHaveLength(2);
  expect(leader.decisions.size).toBe(0);
  await push(leader, server);
  await pull(leader, server);
  expect(server.log).toHaveLength(2);
  expect(leader.decisions.size).toBe(1);
});

test("G5 keeps what is left of a record whose first events are decided, when the log is read again", async () => {
  const { server, leader } = await start();
  leader.commit([event("put", { id: "a" })]);
  leader.commit([event("put", { id: "b" })]);
  await leader.flush();
  const attempted = await leader.replicator.attempt({ ...limits, most: 1 });
  if (attempted.tag === "send") server.push(attempted.request);
  await pull(leader, server);
  await leader.catchUp(true);
  expect(leader.decisions.size).toBe(1);
  await push(leader, server);
  await pull(leader, server);
  expect(server.log).toHaveLength(2);
  expect(leader.decisions.size).toBe(2);
});

test("an old answer rotates nothing", async () => {
  const { server, leader } = await start();
  await put(leader, [event("put", { id: "a" })]);
  const attempted = await leader.replicator.attempt(limits);
  if (attempted.tag !== "send") throw new Error("Expected a push");
  await leader.replicator.rotate();
  const { client } = leader.replica.remote;
  const stopped = { code: "client_conflict" } as const;
  const answer = { epoch: "e", head: 0, results: [], stopped };
  expect(await leader.replicator.answered(attempted.request, answer)).toBe("nothing");
  expect(leader.replica.remote.client).toBe(client);
  expect(await push(leader, server)).toBe("done");
});

const entry = (pos: number, name: string) => ({
  pos,
  id: `other-${pos}`,
  name,
  payload: { t: "one", id: `r${pos}`, x: 1 },
  ts: 1,
});

test("stops before an entry that it does not know, and says how many come before", async () => {
  const { leader } = await start();
  const page = {
    mode: "log",
    epoch: "e",
    from: null,
    cursor: "c",
    pos: 3,
    head: 3,
    more: false,
  } as const;
  const entries = [entry(1, "put"), entry(2, "put"), entry(3, "later")];
  expect(await leader.replicator.pulled({ ...page, entries })).toMatchObject({ before: 2 });
  expect(one(leader)).toEqual([]);
  const known = [
    ...entries.slice(0, 2),
    {
      ...entry(3, "later"),
      actions: [{ type: "upsert", tableName: "two", value: { id: "q", x: 5 } } as const],
    },
  ];
  expect(await leader.replicator.pulled({ ...page, entries: known })).toBe("done");
  expect(leader.replica.tables.get("two")?.toArray()).toEqual([{ id: "q", x: 5 }]);
  expect(one(leader)).toHaveLength(2);
  expect(await leader.replicator.pulled({ ...page, entries: known })).toBe("done");
  const later = { ...page, from: "d", pos: 4, entries: [entry(4, "put")] };
  expect(await leader.replicator.pulled(later)).toBe("stale");
});

test("a snapshot takes the place of the base in one record, and what is undecided stays on top", async () => {
  const { server, disk, leader } = await start();
  await put(leader, [event("put", { id: "a" })], [event("put", { id: "b" })]);
  await push(leader, server);
  await pull(leader, server);
  await put(leader, [event("put", { id: "c" })]);
  const position = leader.replica.position();
  const tables = {
    one: [
      { id: "b", x: 5 },
      { id: "d", x: 1 },
    ],
  };
  expect(await leader.replicator.reset({ cursor: "s", pos: 9, epoch: "e", tables })).toBe("done");
  expect(leader.replica.position()).toBe(position + 1);
  const shown = [
    { id: "b", x: 5 },
    { id: "c", x: 1 },
    { id: "d", x: 1 },
  ];
  expect(one(leader)).toEqual(shown);
  await leader.fold();
  expect(one(await openTab(disk))).toEqual(shown);
});

test("a device that has decided nothing hands over to the server, and one that has asks the app", async () => {
  const server = createModelServer({ snapshots: false });
  const young = await openTab(createDisk("device"));
  await put(young, [event("put", { id: "a" })]);
  await young.lead();
  expect(young.replicator.look().blocked).toBe(null);
  expect(await young.decide()).toBe("more");
  expect(await push(young, server)).toBe("done");
  expect(server.log).toHaveLength(1);

  const disk = createDisk("device", "client-9");
  const old = await openTab(disk, {
    adopt: ({ one: rows = [] }) =>
      rows.map(({ id, x }) => ({ name: "up", payload: { t: "one", id, x } })),
  });
  await old.lead();
  Object.assign(old.shared, { server: undefined });
  await put(old, [event("put", { id: "k", x: 3 })]);
  await old.decide();
  const fresh = await openTab(disk, {
    adopt: ({ one: rows = [] }) =>
      rows.map(({ id, x }) => ({ name: "up", payload: { t: "one", id, x } })),
  });
  await fresh.lead();
  expect(fresh.replicator.look().blocked).toBe("adoption");
  expect(await fresh.replicator.attempt(limits)).toEqual({ tag: "nothing" });
  await put(fresh, [event("set", { id: "k", x: 4 })]);
  fresh.dieAt(1, false);
  await expect(fresh.replicator.adopt()).rejects.toThrow(Died);
  const last = await openTab(disk, {
    adopt: ({ one: rows = [] }) =>
      rows.map(({ id, x }) => ({ name: "up", payload: { t: "one", id, x } })),
  });
  await last.lead();
  expect(last.replicator.look().blocked).toBe("adoption");
  expect(await last.replicator.adopt()).toBe("done");
  expect(await last.replicator.adopt()).toBe("nothing");
  expect(one(last)).toEqual([{ id: "k", x: 4 }]);
  expect(Array.from(last.replica.baseRows(last.replica.tables.get("one") as never))).toEqual([]);
  expect(one(await openTab(disk))).toEqual([{ id: "k", x: 4 }]);
  expect(await push(last, server)).toBe("done");
  await pull(last, server);
  expect(last.replica.overlay.length).toBe(0);
  expect(server.log).toHaveLength(2);
});

test("decides nothing of what a server decides where no server is configured", async () => {
  const { leader } = await start();
  Object.assign(leader.shared, { server: undefined });
  await put(leader, [event("put", { id: "a" })]);
  expect(await leader.decide()).toBe("nothing");
  await leader.fold();
  expect(leader.follower.hasLeft()).toBe(false);
  expect(leader.replica.overlay.length).toBe(1);
});

test.each(["attempt", "base"])(
  "G8 where a damaged %s was in the log, nothing that was sent is believed, and the base is read anew",
  async (kind) => {
    const { server, disk, leader } = await start();
    await put(leader, [event("put", { id: "a" })], [event("slide", { id: "s", x: 1 })]);
    await push(leader, server);
    await pull(leader, server);
    await put(leader, [event("slide", { id: "s", x: 2 })]);
    await leader.replicator.attempt(limits);
    await disk.damage(kind);
    const fresh = await openTab(disk);
    expect(fresh.replica.remote.place.cursor).toBe(null);
    expect(fresh.replica.overlay.every(({ attempted }) => attempted)).toBe(true);
    await fresh.lead();
    expect(await push(fresh, server)).toMatch(/done|rotate/);
    await fresh.replicator.rotate();
    await push(fresh, server);
    while ((await pull(fresh, server)) === "done");
    expect(fresh.replica.overlay.length).toBe(0);
    expect(server.log).toHaveLength(3);
    expect(one(fresh)).toEqual([{ id: "a", x: 1 }]);
    expect(fresh.replica.tables.get("two")?.toArray()).toEqual([{ id: "s", x: 2 }]);
  },
);

test("G9 a fold leaves a record of a kind that only other code knows", async () => {
  const { server, disk, leader } = await start();
  const strange = { kind: "later", tab: "x", n: 1, schema: 1, what: "ever" };
  await leader.raw.append(strange as never, "relaxed");
  await leader.catchUp();
  await leader.lead();
  await put(leader, [event("put", { id: "a" })]);
  await push(leader, server);
  await pull(leader, server);
  await leader.fold();
  expect(leader.follower.ledger?.floor).toBeGreaterThan(1);
  const read = await leader.raw.read({ after: 0, segments: () => [], onSegment: () => undefined });
  expect(read.log).toEqual([[1, strange]]);
  expect(one(await openTab(disk))).toEqual([{ id: "a", x: 1 }]);
});

test("G8 a later place in the server's log is not believed where a base record is lost", async () => {
  const { server, disk, leader } = await start();
  await put(leader, [event("put", { id: "a" })]);
  await push(leader, server);
  await pull(leader, server);
  await put(leader, [event("put", { id: "b" })]);
  await push(leader, server);
  await pull(leader, server);
  await disk.damage("base", 2);
  const fresh = await openTab(disk);
  expect(one(fresh)).toHaveLength(1);
  await fresh.lead();
  while ((await pull(fresh, server)) === "done");
  expect(one(fresh)).toHaveLength(2);
  await fresh.fold();
  expect(one(await openTab(disk))).toHaveLength(2);
});
