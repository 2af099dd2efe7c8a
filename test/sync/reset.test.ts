import { expect, test } from "vitest";
import { memory } from "../../src/server/index.ts";
import { add, createSyncWorld, logOf, serverTables, shown } from "./world.ts";

test("G13 a new log on the server is read from its beginning, without an empty view in between", async () => {
  const { world, server, openTab, storage } = createSyncWorld();
  const tab = openTab(world.createDevice());
  await world.run(tab.sync.ready);
  await world.run(add(tab, "a").settled);
  const seen: number[] = [];
  tab.sync.tables.items.subscribe(() => seen.push(tab.sync.tables.items.size));
  await server.newEpoch("me");
  const other = openTab(world.createDevice());
  await world.run(other.sync.ready);
  await world.run(add(other, "b").settled);
  await world.run(add(tab, "c").settled);
  await world.pass(70_000);
  expect(shown(tab)).toEqual(["b:b", "c:c"]);
  expect(shown(other)).toEqual(["b:b", "c:c"]);
  expect(seen).not.toContain(0);
  expect(await logOf(storage)).toHaveLength(2);
  expect(tab.sync.status).toMatchObject({ sync: "live", pending: 0, fault: null });
});

test("G5 a server that was restored from a backup gets again what it lost and was not seen in its log", async () => {
  const place = createSyncWorld();
  const { world, openTab } = place;
  const tab = openTab(world.createDevice());
  await world.run(tab.sync.ready);
  await world.run(add(tab, "a").settled);
  await world.pass(3000);
  // A server of another past: it knows nothing, not even the log's name.
  const server = place.serve(memory());
  world.network.cut();
  const receipt = add(tab, "b");
  expect(await world.run(receipt.settled)).toMatchObject([{ status: "accepted" }]);
  await world.pass(70_000);
  expect(tab.sync.status).toMatchObject({ sync: "live", pending: 0, fault: null });
  expect(shown(tab)).toEqual(["b:b"]);
  expect(server.streams).toBe(1);
});

test("a snapshot of several pages makes the first base of a device, and one that goes away meanwhile is read anew", async () => {
  const { world, server, openTab } = createSyncWorld({
    server: { ...serverTables, limits: { pageEntries: 5, pageBytes: 2000 } },
  });
  const tab = openTab(world.createDevice());
  await world.run(tab.sync.ready);
  for (let id = 100; id < 150; id += 1) add(tab, `${id}`, "x".repeat(100));
  await world.pass(10_000);
  expect(tab.sync.status.pending).toBe(0);
  await server.compact("me");
  const other = openTab(world.createDevice());
  world.network.next(404, "snapshot");
  world.network.next("answerLost", "snapshot");
  await world.run(other.sync.ready);
  await world.pass(30_000);
  expect(shown(other)).toEqual(shown(tab));
  expect(shown(other)).toHaveLength(50);
  expect(other.sync.status).toMatchObject({ sync: "live", fault: null });
});

test("a device whose database was copied takes another name for itself, and loses nothing", async () => {
  const { world, openTab, storage } = createSyncWorld();
  const [first, second] = [world.createDevice(), world.createDevice()];
  const a = openTab(first);
  await world.run(a.sync.ready);
  await world.run(add(a, "a").settled);
  await world.run(a.sync.stop());
  const b = openTab(second);
  await world.run(b.sync.ready);
  await world.run(b.sync.stop());
  const name = first.disk.names()[0] as string;
  const client = first.disk.get("meta", "client", name);
  second.disk.put("meta", "client", client, name);
  const [again, copy] = [openTab(first), openTab(second)];
  await world.run(Promise.all([again.sync.ready, copy.sync.ready]));
  await world.run(Promise.all([add(again, "b").settled, add(copy, "c").settled]));
  await world.pass(3000);
  expect(shown(again)).toEqual(["a:a", "b:b", "c:c"]);
  expect(shown(copy)).toEqual(["a:a", "b:b", "c:c"]);
  expect(await logOf(storage)).toHaveLength(3);
});

test("G5 a server whose backup ends before what it had taken in gets that again, though nobody else writes", async () => {
  const place = createSyncWorld();
  const { world, openTab } = place;
  const tab = openTab(world.createDevice());
  await world.run(tab.sync.ready);
  await world.pass(3000);
  const end = world.network.always("requestLost", "pull");
  const receipt = add(tab, "a");
  await world.pass(1000);
  expect(await logOf(place.storage)).toHaveLength(1);
  // Of the same log, from before.
  const backup = memory();
  place.serve(backup);
  world.network.cut();
  end();
  await world.pass(180_000);
  expect(await world.run(receipt.settled)).toMatchObject([{ status: "accepted" }]);
  expect(await logOf(backup)).toHaveLength(1);
  expect(tab.sync.status).toMatchObject({ sync: "live", pending: 0, fault: null });
});
