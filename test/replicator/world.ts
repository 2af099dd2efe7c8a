/**
 * Devices with tabs, and one server, a step at a time: what is asked is lost, answered late or twice, tabs die between any two
 * writes, the server is restored from a backup. After each step every tab is checked against the server's log.
 */
import { expect } from "vitest";
import { type Envelope } from "../../src/model/log.ts";
import { type PushRequest, type PushResponse } from "../../src/protocol/index.ts";
import { StorageFailure } from "../../src/services/ports.ts";
import { event, rules } from "../model/app.ts";
import { type Replayed, type Row, type Step, nothing, advance } from "../model/reference.ts";
import { type ModelServer, createModelServer, rowsOf } from "./server.ts";
import { Died, type Disk, type Tab, createDisk, openTab } from "./tab.ts";

interface Device {
  readonly disk: Disk;
  readonly tabs: Tab[];
  leader: Tab | undefined;
  /** Answers that have not arrived. */
  readonly late: (readonly [tab: Tab, request: PushRequest, answer: PushResponse])[];
  readonly commits: (readonly [tab: Tab, unit: readonly Envelope[]])[];
}

export interface Options {
  readonly snapshots: boolean;
  readonly devices: number;
}

const sorted = (list: readonly (readonly [string, ...unknown[]])[]): unknown =>
  list.toSorted(([a], [b]) => (a < b ? -1 : 1));

const byId = (rows: ReadonlyMap<string, Row>): unknown =>
  Array.from(rows).toSorted(([a], [b]) => (a < b ? -1 : 1));

function visible(tab: Tab): Map<string, Row> {
  const rows = new Map<string, Row>();
  for (const table of tab.replica.tables.values())
    for (const row of table.toArray()) rows.set(`${table.name}/${row.id}`, row);
  return rows;
}
function base(tab: Tab): Map<string, Row> {
  const rows = new Map<string, Row>();
  for (const table of tab.replica.tables.values())
    for (const row of tab.replica.baseRows(table)) rows.set(`${table.name}/${row.id}`, row);
  return rows;
}

const pictureOf = (tab: Tab): unknown => {
  const { numbers, acked, decided, ...rest } = tab.replica.remote.store();
  return {
    ...rest,
    numbers: sorted(numbers),
    acked: sorted(acked),
    decided: decided.toSorted(),
    rows: byId(visible(tab)),
    base: byId(base(tab)),
    rejected: Array.from(tab.replica.rejected.keys()).toSorted(),
    overlay: tab.replica.overlay.map(({ unit, position, offset, attempted, outcome }) => [
      unit.map(({ id }) => id),
      position,
      offset,
      attempted,
      outcome?.tag,
    ]),
  };
};

export async function createWorld({ snapshots, devices: count }: Options) {
  const server: ModelServer = createModelServer({ snapshots });
  const devices: Device[] = [];
  let saved: ReturnType<ModelServer["backup"]> | undefined;
  let restored = false;

  for (let at = 0; at < count; at += 1) {
    const disk = createDisk("server", `device-${at}`);
    const device: Device = { disk, tabs: [], leader: undefined, late: [], commits: [] };
    devices.push(device);
    for (let tabs = 0; tabs < 2; tabs += 1) device.tabs.push(await openTab(disk));
  }
  const deviceAt = (at: number): Device => devices[at % devices.length] as Device;
  const tabAt = ({ tabs }: Device, at: number): Tab => tabs[at % tabs.length] as Tab;

  /** Base = the server's log at the cursor; what is shown = the overlay replayed on it, by the reference. */
  function checkTab(tab: Tab): void {
    const { remote, overlay } = tab.replica;
    const below = rowsOf(server.entriesAt(remote.place.cursor));
    if (remote.place.cursor !== null) expect(byId(base(tab))).toEqual(byId(below));
    const steps = overlay.flatMap(({ unit, position, attempted }): Step[] => [
      { unit, position: position ?? Infinity },
      ...(attempted ? [{ close: position ?? 0 }] : []),
    ]);
    const from: Replayed = { ...nothing, rows: base(tab) };
    const shown = steps.reduce<Replayed>((state, step) => advance(rules, state, step), from);
    expect(byId(visible(tab))).toEqual(byId(shown.rows));
    // What is decided is told, once; what is not decided is not told.
    for (const { unit, own } of overlay)
      if (own) for (const { id } of unit) expect(tab.decisions.has(id)).toBe(false);
  }

  /** G6: a tab that knows all of the log is as one that has just been loaded, but for what is not logged. */
  async function checkFresh(device: Device, tab: Tab): Promise<void> {
    await tab.catchUp();
    if (tab.replica.overlay.some(({ position }) => position === null)) return;
    const fresh = await openTab(device.disk);
    expect(pictureOf(fresh)).toEqual(pictureOf(tab));
    fresh.kill();
  }

  /** Runs a step of the leader's; it may die of it. */
  async function asLeader<T>(
    device: Device,
    run: (tab: Tab) => Promise<T>,
  ): Promise<T | undefined> {
    const { leader } = device;
    if (leader === undefined) return undefined;
    try {
      return await run(leader);
    } catch (error) {
      if (!(error instanceof Died) && !(error instanceof StorageFailure)) throw error;
      await kill(device, leader);
      return undefined;
    }
  }

  async function kill(device: Device, tab: Tab): Promise<void> {
    if (device.leader === tab) device.leader = undefined;
    device.tabs.splice(device.tabs.indexOf(tab), 1);
    tab.kill();
    // What was not logged is gone with its tab.
    if (device.tabs.length === 0) device.tabs.push(await openTab(device.disk));
  }

  async function answer(
    device: Device,
    [tab, request, response]: Device["late"][number],
  ): Promise<void> {
    if (device.leader !== tab) return;
    await asLeader(device, async () => {
      const next = await tab.replicator.answered(request, response);
      if (next === "rotate") await tab.replicator.rotate();
    });
  }

  async function pull(device: Device, limit: number): Promise<unknown> {
    return await asLeader(device, async ({ replicator }) => {
      const page = server.pull(replicator.look().cursor, limit);
      if (page !== null && (page.from !== null || !server.hasSnapshots))
        return await replicator.pulled(page);
      if (server.hasSnapshots) return await replicator.reset(server.snapshot());
      let next = server.pull(null, limit);
      let written: unknown = "nothing";
      let pages = 0;
      while (next !== null) {
        pages += 1;
        if (pages > 200) throw new Error("Expected the log to end");
        written = await replicator.pulled(next);
        next = next.more ? server.pull(next.cursor, limit) : null;
      }
      return written;
    });
  }

  async function push(device: Device, most: number, fate: number): Promise<unknown> {
    return await asLeader(device, async (tab) => {
      const limits = { events: 20, bytes: 100_000, most };
      const attempted = await tab.replicator.attempt(limits);
      if (attempted.tag !== "send") return attempted.tag;
      const { request } = attempted;
      // Lost on its way.
      if (fate === 0) return await tab.replicator.failed(fate);
      const response = server.push(request);
      const late = [tab, request, response] as const;
      if (fate === 1) device.late.push(late);
      // It comes twice.
      if (fate === 2) device.late.push(late);
      if (fate !== 1) await answer(device, late);
      return "sent";
    });
  }

  const world = {
    server,
    devices,
    commit(at: number, tab: number, unit: readonly Envelope[]): void {
      const device = deviceAt(at);
      const by = tabAt(device, tab);
      if (by.commit(unit) !== undefined) device.commits.push([by, unit]);
    },
    flush: (at: number, tab: number) => tabAt(deviceAt(at), tab).flush(),
    deliver: (at: number, tab: number, nth: number) => tabAt(deviceAt(at), tab).deliver(nth),
    catchUp: (at: number, tab: number, whole: boolean) => tabAt(deviceAt(at), tab).catchUp(whole),
    async lead(at: number, tab: number): Promise<void> {
      const device = deviceAt(at);
      device.leader = tabAt(device, tab);
      await asLeader(device, (it) => it.lead());
    },
    push: (at: number, most: number, fate: number) => push(deviceAt(at), most, fate),
    pull: (at: number, limit: number) => pull(deviceAt(at), limit),
    async late(at: number, nth: number): Promise<void> {
      const device = deviceAt(at);
      const [found] = device.late.splice(nth % Math.max(1, device.late.length), 1);
      if (found !== undefined) await answer(device, found);
    },
    decide: (at: number) => asLeader(deviceAt(at), (it) => it.decide()),
    fold: (at: number) => asLeader(deviceAt(at), (it) => it.fold()),
    dieAt: (at: number, left: number, stored: boolean) => deviceAt(at).leader?.dieAt(left, stored),
    kill: (at: number, tab: number) => kill(deviceAt(at), tabAt(deviceAt(at), tab)),
    async open(at: number): Promise<void> {
      const device = deviceAt(at);
      if (device.tabs.length < 3) device.tabs.push(await openTab(device.disk));
    },
    refuse: (at: number, nth: number) =>
      asLeader(deviceAt(at), async ({ replica, replicator }) => {
        const logged = replica.overlay.slice(0, replica.logged());
        const id = logged[nth % Math.max(1, logged.length)]?.unit[0]?.id;
        if (id !== undefined && !replica.remote.isAttempted(id))
          await replicator.refuse([id], { code: "too_large" });
      }),
    forbid: (names: readonly string[]) => server.refuse(names),
    forgetClients: () => server.forgetClients(),
    backup(): void {
      saved = server.backup();
    },
    restore(): void {
      if (saved === undefined) return;
      server.restore(saved);
      restored = true;
      // A restore ends what is under way.
      for (const { late } of devices) late.length = 0;
    },
    newEpoch(): void {
      server.newEpoch(event("put").id);
      restored = true;
      saved = undefined;
      for (const { late } of devices) late.length = 0;
    },

    check(): void {
      for (const { tabs } of devices) for (const tab of tabs) checkTab(tab);
    },
    fresh: (at: number, tab: number) => checkFresh(deviceAt(at), tabAt(deviceAt(at), tab)),

    /** Faults stop. All comes to an end, and to the same. */
    async settle(): Promise<void> {
      server.refuse([]);
      for (const device of devices) {
        device.late.length = 0;
        for (const tab of device.tabs) {
          while (tab.pipeline.hasQueued()) await tab.flush();
        }
        const [first] = device.tabs;
        if (first === undefined) throw new Error("Expected a tab");
        await world.lead(devices.indexOf(device), device.tabs.indexOf(first));
      }
      for (let round = 0; round < 40; round += 1) {
        for (const [at, device] of devices.entries()) {
          device.leader?.dieAt(Infinity, false);
          await world.decide(at);
          await push(device, 20, 9);
          for (let pages = 0; (await pull(device, 5)) === "done"; pages += 1)
            if (pages > 200) throw new Error("Expected the log to end");
          await world.fold(at);
        }
      }
      world.check();
      for (const [at, device] of devices.entries()) {
        for (const [nth, tab] of device.tabs.entries()) {
          await tab.catchUp();
          await world.fresh(at, nth);
          expect(tab.replica.overlay.map(({ unit }) => unit[0]?.id)).toEqual([]);
          expect(byId(visible(tab))).toEqual(byId(rowsOf(server.log)));
          expect(tab.pipeline.undecidedEvents()).toBe(0);
        }
        world.checkDecisions(device);
      }
    },

    checkDecisions(device: Device): void {
      const ids = server.log.map(({ id }) => id);
      expect(new Set(ids).size).toBe(ids.length);
      // G7 of the protocol: what a device committed is in the log in that order.
      const mine = new Set(device.disk.order);
      const here = new Set(ids);
      expect(ids.filter((id = "") => mine.has(id))).toEqual(
        device.disk.order.filter((id) => here.has(id)),
      );
      for (const [tab, unit] of device.commits) {
        for (const { id } of unit) {
          const told = tab.decisions.get(id)?.status;
          const decision = server.decisions.get(id)?.status;
          if (!device.tabs.includes(tab)) {
            // Gone with its tab, or decided like the others.
            continue;
          }
          expect(told).toBeDefined();
          // Superseded, and refused without being sent, are what the server knows nothing of.
          if (decision === undefined)
            expect([id, restored ? "superseded" : told]).toEqual([
              id,
              expect.stringMatching(/superseded|rejected/),
            ]);
          else if (!restored) expect([id, told]).toEqual([id, decision]);
        }
      }
    },
  };
  return world;
}
