/** A newer version of the app, while events of the older one wait for the server, were sent, and arrive from other devices. */
import * as v from "valibot";
import { expect, test } from "vitest";
import { create, defineEvent } from "../../src/index.ts";
import { type Device } from "../../src/testing/index.ts";
import { type ListTab, add, app, createSyncWorld, logOf } from "./world.ts";

const text = v.object({ id: v.string(), text: v.string() });
const marked = v.object({ ...text.entries, mark: v.string() });
const newer = {
  ...app,
  tables: { ...app.tables, items: marked },
  events: {
    ...app.events,
    added: defineEvent({
      schema: marked,
      version: 2,
      upcast: (old) => ({ ...(old as object), mark: "mark" in (old as object) ? "twice" : "old" }),
    }),
  },
  materializers: {
    ...app.materializers,
    added: (it: v.InferOutput<typeof marked>) => [create("items", it)],
  },
  schema: {
    version: 2,
    migrate: (table: string, row: object) => (table === "items" ? { ...row, mark: "old" } : row),
  },
};
const rows = (tab: ListTab): unknown => tab.sync.tables.items.toArray();

test("G5 G13 what waits for the server, and what it has taken in unheard, survives a newer version, on every device", async () => {
  const place = createSyncWorld();
  const { world, openTab, storage } = place;
  const [first, second] = [world.createDevice(), world.createDevice()];
  const openNewer = (device: Device): ListTab =>
    device.openTab({
      ...newer,
      server: { url: "/sync/me", auth: () => "token" },
    } as never) as never;
  const old = openTab(first);
  const other = openTab(second);
  await world.run(Promise.all([old.sync.ready, other.sync.ready]));
  await world.run(add(old, "a").settled);
  await world.pass(10_000);
  // One is taken in, and nobody hears of it; the next one is not sent.
  const ends = [world.network.always("answerLost", "push"), world.network.always(503, "pull")];
  await world.run(add(old, "b").durable);
  await world.pass(2000);
  ends.push(world.network.always("requestLost", "push"));
  await world.run(Promise.all([add(old, "c").durable, add(other, "d").durable]));
  expect(await logOf(storage)).toHaveLength(2);
  const upgraded = openNewer(first);
  await world.run(upgraded.sync.ready);
  expect(old.sync.status.phase).toBe("outdated");
  // A server of the old version knows nothing of it: it is waited for.
  for (const end of ends) end();
  upgraded.sync.commit({ name: "added", payload: { id: "e", text: "e", mark: "new" } as never });
  await world.pass(60_000);
  expect(upgraded.sync.status).toMatchObject({ sync: "incompatible", rejected: 0 });
  place.serve(storage, { events: newer.events });
  upgraded.hide();
  upgraded.show();
  await world.pass(60_000);
  expect(upgraded.sync.status).toMatchObject({ sync: "live", fault: null });
  expect(upgraded.sync.outbox.size).toBe(0);
  // What it does not understand stops the older version, and takes nothing from it.
  await world.pass(60_000);
  expect(other.sync.status).toMatchObject({ phase: "ready", sync: "incompatible" });
  await world.run(add(other, "f").durable);
  other.kill();
  const again = openNewer(second);
  await world.run(again.sync.ready);
  await world.pass(60_000);
  expect((await logOf(storage)).map(({ v: of }) => of)).toHaveLength(6);
  const marks = ["a:old", "b:old", "c:old", "d:old", "e:new", "f:old"];
  for (const tab of [upgraded, again, openNewer(world.createDevice())]) {
    await world.pass(10_000);
    expect(tab.sync.status).toMatchObject({
      sync: "live",
      rejected: 0,
      quarantined: 0,
      fault: null,
    });
    expect(tab.sync.outbox.size).toBe(0);
    expect(
      (rows(tab) as { id: string; mark: string }[]).map((it) => `${it.id}:${it.mark}`),
    ).toEqual(marks);
  }
});
