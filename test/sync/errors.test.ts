/** What a device does about each error that a server can answer, wherever it does, and that it goes on when it is over. */
import { describe, expect, test } from "vitest";
import { type SyncStatus } from "../../src/index.ts";
import { errorBody, errorCodes, statusOf } from "../../src/protocol/index.ts";
import { add, createSyncWorld, logOf, shown } from "./world.ts";

type Code = (typeof errorCodes)[number];
/** The word while it lasts; `rejected`: the event is. */
type Cell = SyncStatus["sync"] | "rejected";

const table: Readonly<Record<Code, { readonly push: Cell; readonly pull: Cell }>> = {
  bad_request: { push: "rejected", pull: "incompatible" },
  unauthorized: { push: "unauthorized", pull: "unauthorized" },
  token_expired: { push: "unauthorized", pull: "unauthorized" },
  forbidden: { push: "forbidden", pull: "forbidden" },
  not_found: { push: "forbidden", pull: "forbidden" },
  method_not_allowed: { push: "incompatible", pull: "incompatible" },
  not_acceptable: { push: "incompatible", pull: "incompatible" },
  client_conflict: { push: "backoff", pull: "backoff" },
  sequence_gap: { push: "backoff", pull: "backoff" },
  reset_required: { push: "backoff", pull: "backoff" },
  schema_unsupported: { push: "incompatible", pull: "incompatible" },
  too_large: { push: "rejected", pull: "backoff" },
  unsupported_media_type: { push: "incompatible", pull: "incompatible" },
  protocol_unsupported: { push: "incompatible", pull: "incompatible" },
  rate_limited: { push: "backoff", pull: "backoff" },
  internal: { push: "backoff", pull: "backoff" },
  unavailable: { push: "backoff", pull: "backoff" },
  timeout: { push: "backoff", pull: "backoff" },
};

async function open(endpoint: string, code: Code) {
  const place = createSyncWorld();
  const { world, server } = place;
  let isBad = false;
  let asked = 0;
  world.network.serve((request) => {
    if (!isBad || !new URL(request.url).pathname.endsWith(endpoint)) return server.fetch(request);
    asked += 1;
    return Response.json(errorBody(code), { status: statusOf(code) });
  });
  const tab = place.openTab(world.createDevice());
  await world.run(tab.sync.ready);
  await world.pass(3000);
  return { ...place, tab, asked: () => asked, setBad: (value: boolean) => (isBad = value) };
}

describe.each(["push", "pull"] as const)("an error that answers a %s", (endpoint) => {
  test.each(errorCodes)("%s", async (code) => {
    const { world, tab, setBad, asked } = await open(endpoint, code);
    setBad(true);
    const receipt = add(tab, "a");
    await world.pass(30_000);
    const cell = table[code][endpoint];
    const { sync, rejected, pending } = tab.sync.status;
    expect({ sync, rejected, pending }).toEqual(
      cell === "rejected"
        ? { sync: "live", rejected: 1, pending: 0 }
        : { sync: cell, rejected: 0, pending: 1 },
    );
    // Not round and round.
    expect(asked()).toBeLessThan(25);
    setBad(false);
    await world.pass(400_000);
    expect(await world.run(receipt.settled)).toMatchObject([
      { status: cell === "rejected" ? "rejected" : "accepted" },
    ]);
    expect(tab.sync.status).toMatchObject({ sync: "live", pending: 0, fault: null });
  });
});

test.each(errorCodes)("%s for the live stream costs only time", async (code) => {
  const { world, tab, setBad, asked, openTab } = await open("live", code);
  world.network.cut();
  setBad(true);
  const other = openTab(world.createDevice());
  await world.run(other.sync.ready);
  await world.run(add(other, "a").settled);
  await world.pass(61_000);
  expect(shown(tab)).toEqual(["a:a"]);
  expect(tab.sync.status).toMatchObject({ sync: "idle", pending: 0, fault: null });
  expect(asked()).toBeLessThan(50);
});

test("G5 an event that was taken in, and whose answer was lost, is not rejected for limits that another tab knows", async () => {
  const { world, server, storage, openTab } = createSyncWorld();
  const device = world.createDevice();
  let isSmall = true;
  world.network.serve(async (request) => {
    const response = await server.fetch(request);
    if (!isSmall || !request.url.endsWith("info")) return response;
    const info = (await response.json()) as { readonly limits: object };
    return Response.json({ ...info, limits: { ...info.limits, eventBytes: 300 } });
  });
  const first = openTab(device);
  await world.run(first.sync.ready);
  await world.pass(3000);
  isSmall = false;
  const second = openTab(device);
  await world.run(second.sync.ready);
  device.stealLock()();
  await world.pass(30_000);
  expect(second.sync.status.role).toBe("leader");
  const ends = [
    world.network.always("answerLost", "push"),
    world.network.always("requestLost", "pull"),
  ];
  add(second, "a", "x".repeat(500));
  await world.pass(5000);
  expect(await logOf(storage)).toHaveLength(1);
  second.kill();
  await world.pass(20_000);
  for (const end of ends) end();
  await world.pass(100_000);
  expect(first.sync.rejected.size).toBe(0);
  expect(first.sync.status).toMatchObject({ role: "leader", sync: "live", fault: null });
  expect(first.sync.outbox.size).toBe(0);
  expect(await logOf(storage)).toHaveLength(1);
});

test("G5 an event that was taken in, and whose answer was lost, is not rejected by a server that takes less by now", async () => {
  const { world, server, storage, openTab } = createSyncWorld();
  const tab = openTab(world.createDevice());
  await world.run(tab.sync.ready);
  await world.pass(3000);
  const ends = [
    world.network.always("answerLost", "push"),
    world.network.always("requestLost", "pull"),
  ];
  add(tab, "a");
  await world.pass(5000);
  expect(await logOf(storage)).toHaveLength(1);
  world.network.serve(async (request) =>
    request.url.endsWith("push")
      ? Response.json({ error: { code: "too_large" } }, { status: 413 })
      : await server.fetch(request),
  );
  ends[0]?.();
  await world.pass(70_000);
  ends[1]?.();
  await world.pass(100_000);
  expect(tab.sync.rejected.size).toBe(0);
  expect(tab.sync.status).toMatchObject({ sync: "live", pending: 0, fault: null });
  expect(shown(tab)).toEqual(["a:a"]);
});

const several = (count: number, from: number) =>
  Array.from({ length: count }, (_, at) => ({
    name: "added" as const,
    payload: { id: `${from + at}`, text: "" },
  }));

test("a server that allows more events at once than a message can have is sent as many as it can, and rejects none", async () => {
  const { world, server, openTab } = createSyncWorld({ server: { limits: { batchEvents: 1000 } } });
  const bad: number[] = [];
  world.network.serve(async (request) => {
    const response = await server.fetch(request);
    if (response.status === 400) bad.push(response.status);
    return response;
  });
  const tab = openTab(world.createDevice());
  await world.run(tab.sync.ready);
  await world.pass(3000);
  expect(() => tab.sync.commit(several(501, 0))).toThrow(
    "Expected a number of events of at most 500",
  );
  tab.sync.commit(several(500, 0));
  tab.sync.commit(several(101, 500));
  await world.pass(10_000);
  expect(tab.sync.status).toMatchObject({ sync: "live", pending: 0, rejected: 0, fault: null });
  expect(bad).toEqual([]);
});
