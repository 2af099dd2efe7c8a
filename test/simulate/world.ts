/** A device with tabs of the app on it, or several and their server, all that was committed there, and what each tab must show. */
import { isDeepStrictEqual } from "node:util";
import { SyncError } from "../../src/index.ts";
import { type Decision } from "../../src/model/entry.ts";
import { type Envelope } from "../../src/model/log.ts";
import { type Receipt } from "../../src/pipeline.ts";
import { type MemoryDatabase } from "../../src/services/memory-storage.ts";
import {
  type Device,
  type DevicePage,
  createWorld as createDevices,
} from "../../src/testing/index.ts";
import { type Replayed, advance, isAnew } from "../model/reference.ts";
import { type Input, type Sync, inputOf, openApp, rowsOf, rules, scope } from "./app.ts";
import { Violation, demand } from "./demand.ts";
import { type Epoch, createHistory, stranger } from "./history.ts";
import { type Space, createSpace } from "./space.ts";

/** A commit, as the one who made it knows it. */
interface Unit {
  readonly events: readonly Envelope[];
  readonly tab: Tab;
  /** Made by the engine, when it tried a rejected event again: there is no receipt. */
  readonly adopted: boolean;
  durable: "pending" | "resolved" | "rejected";
  settled: readonly Decision[] | undefined;
}

/** A device, and what its disk went through. */
export interface Place {
  readonly device: Device;
  readonly history: ReturnType<typeof createHistory>;
  /** Whether the app that is opened there has a server. */
  isServed: boolean;
}

export interface Tab {
  readonly place: Place;
  readonly page: DevicePage;
  readonly sync: Sync;
  readonly version: number;
  readonly isServed: boolean;
  /** In the order of their commits. */
  readonly units: Unit[];
  /** Of the epochs, the one whose data it shows, and up to which position. */
  epoch: number;
  at: number;
  ready: boolean;
  stopped: boolean;
}

const mostDevices = 4;

/** `withServer`: one to three devices, and a server that decides. Otherwise one, alone. */
export function createWorld(seed: number, withServer = false) {
  const devices = createDevices({ seed });
  const noLocks = seed % 40 === 7;
  const counts = new Map<string, number>();
  const everyTab: Tab[] = [];
  const units = new Map<string, Unit>();
  const count = (what: string): void => void counts.set(what, (counts.get(what) ?? 0) + 1);
  const trouble: Violation[] = [];
  let marks = 0;
  let strangers = 0;

  const alive = (): readonly Tab[] =>
    everyTab.filter(({ page, stopped }) => page.state !== "gone" && !stopped);
  /** Runs in the tab's own time: what is wrong is told with the next step. */
  const later = (demands: () => void): void => {
    try {
      demands();
    } catch (error) {
      trouble.push(error as Violation);
    }
  };
  const logged = new Map<string, Envelope>();
  const eventOf = (id: string): Envelope | undefined =>
    units.get(id)?.events.find((event) => event.id === id) ?? logged.get(id);
  const space: Space | undefined = withServer
    ? createSpace({ devices, seed, eventOf, count, later })
    : undefined;
  const places: Place[] = [];
  function addPlace(device: Device, isServed: boolean, from?: readonly Epoch[]): Place {
    const history = createHistory({
      device,
      space,
      from,
      versionOf: (name) => everyTab.find(({ page }) => page.name === name)?.version ?? 0,
      unitOf: (event) => units.get(event)?.events.map(({ id }) => id),
      isAnyFrozen: () => alive().some(({ page }) => page.state !== "running"),
      logged: (event) => void logged.set(event.id, event),
      count,
    });
    const place = { device, history, isServed };
    places.push(place);
    return place;
  }
  addPlace(devices.createDevice({ noLocks }), withServer && seed % 4 !== 2);
  for (let more = withServer ? seed % 3 : 0; more > 0; more -= 1)
    addPlace(devices.createDevice({ noLocks }), true);
  devices.watch((what) => {
    for (const { history } of places) later(() => history.observe(what));
  });
  const expectNoTrouble = (): void => {
    const [first] = trouble;
    if (first !== undefined) throw first;
  };
  const epochsEver = (): readonly Epoch[] => places.flatMap(({ history }) => history.epochs);
  const isLogged = (id: string): boolean => epochsEver().some(({ events }) => events.has(id));

  function register(tab: Tab, events: readonly Envelope[], receipt?: Receipt): void {
    const adopted = receipt === undefined;
    const unit: Unit = { events, tab, adopted, durable: "pending", settled: undefined };
    tab.units.push(unit);
    for (const { id } of events) units.set(id, unit);
    if (receipt !== undefined) void follow(unit, receipt);
  }

  /** Notes what becomes of a commit. */
  async function follow(unit: Unit, receipt: Receipt): Promise<void> {
    const ids = unit.events.map(({ id }) => id);
    try {
      await receipt.durable;
      unit.durable = "resolved";
      later(() => {
        for (const { id, name } of unit.events)
          demand(
            isLogged(id) || name === "slid",
            `durable resolved for ${id}, which is not on the disk`,
          );
      });
      unit.settled = await receipt.settled;
      const decided = unit.settled.map(({ id }) => id);
      later(() => demand(decided.join() === ids.join(), `decisions for others than ${ids.join()}`));
    } catch {
      if (unit.durable === "pending") unit.durable = "rejected";
    }
  }

  /** Rows of a tab that has seen so much of the log: all that is logged up to there, and its own commits on top. */
  function expectedRows(tab: Tab, epoch: Epoch, at: number): Replayed["rows"] {
    let state = epoch.states[at] as Replayed;
    for (const { events, adopted, durable, settled } of tab.units) {
      if (durable === "rejected" || settled !== undefined) continue;
      const { id, name } = events[0] as Envelope;
      // There is no receipt to ask, or another may have taken its place before it was written. What storage refused may be
      // committed anew as something else, under the same id: this very event must wait.
      const isAsked = adopted || name === "slid";
      if (isAsked && !tab.sync.outbox.list().includes(events[0] as Envelope)) continue;
      const position = epoch.events.get(id);
      if (position !== undefined && position <= at) continue;
      state = advance(rules, state, { unit: events, position: Infinity });
    }
    return state.rows;
  }

  /** What a tab shows is what the log was at some moment, not before that of the last time, and its own commits. */
  function checkTab(tab: Tab): void {
    if (!tab.ready) return;
    const { phase, quarantined } = tab.sync.status;
    demand(strangers > 0 || quarantined === 0, `${tab.page.name} finds damage where none was done`);
    if (phase === "failed" || phase === "stopped") return;
    // What waited for a decision to be committed anew has been by now.
    const strays = tab.sync.outbox
      .list()
      .filter((it) => isAnew(it) && !tab.units.some(({ events }) => events.includes(it)));
    // Two may have one id: the later one changes nothing.
    const commits = new Map<unknown, Envelope[]>();
    for (const it of strays) commits.set(it.tx ?? it, [...(commits.get(it.tx ?? it) ?? []), it]);
    for (const events of commits.values()) register(tab, events);
    const rows = rowsOf(tab.sync, tab.version);
    const { history } = tab.place;
    for (let at = tab.epoch; at < history.epochs.length; at += 1) {
      const epoch = history.epochs[at] as Epoch;
      for (
        let position = at === tab.epoch ? tab.at : 0;
        position <= epoch.log.length;
        position += 1
      )
        if (isShown(rows, expectedRows(tab, epoch, position))) {
          tab.epoch = at;
          tab.at = position;
          return;
        }
    }
    const last = history.epochs.at(-1) as Epoch;
    const expected = expectedRows(tab, last, last.log.length);
    throw new Violation(
      `${tab.page.name} (${phase}) shows what the log never was: ${differences(rows, expected)}`,
    );
  }

  /** Of a tab when all is over. */
  function expectEnd(tab: Tab, fresh: Tab, expected: Replayed["rows"]): void {
    const { phase, pending } = tab.sync.status;
    // Once newer code was seen a tab stands aside until it is loaded anew, whatever became of the data.
    const newest = Math.max(...tab.place.history.epochs.map(({ schema }) => schema));
    if (phase === "outdated" && tab.version < newest) return;
    const name = tab === fresh ? "a fresh tab" : tab.page.name;
    demand(phase === "ready" || phase === "degraded", `${name} is ${phase} at the end`);
    const rows = rowsOf(tab.sync, tab.version);
    demand(isShown(rows, expected), `${name} at the end: ${differences(rows, expected)}`);
    demand(pending === 0, `${name} has ${pending} undecided events at the end`);
    for (const which of ["rejected", "quarantine"] as const) {
      const [here, there] = [tab, fresh].map(({ sync }) => waitingIn(sync, which));
      demand(here === there, `${name} lists as ${which} ${here}, a fresh tab ${there}`);
    }
  }

  /** Nothing is left to do, on any device. */
  async function isOver(): Promise<boolean> {
    if (!alive().every(isDone)) return false;
    const head = await space?.head();
    return places.every(({ history }) => {
      const { states, account } = history.epochs.at(-1) ?? {};
      const rows = states?.at(-1)?.rows;
      if (head === undefined) return true;
      // What a tab has left that is gone is pending in no status.
      return rows !== undefined && account?.waiting.length === 0 && isShown(head.rows, rows);
    });
  }

  const tellTabs = (): string =>
    alive()
      .map(({ page, sync: { status } }) =>
        [page.name, status.role, status.sync, status.pending, status.fault?.message].join(" "),
      )
      .join("; ");

  function check(): void {
    expectNoTrouble();
    for (const tab of alive()) checkTab(tab);
  }

  const world = {
    devices,
    places: places as readonly Place[],
    space,
    counts,
    count,
    alive,
    check,
    /** A number for rows that are made once. */
    nextMark: () => (marks += 1),

    /** A record that no engine wrote is in the log: events that nobody understands, or nothing that makes sense. */
    plant({ device, history }: Place, events?: readonly object[]): boolean {
      const database = device.databases.get(scope);
      const { incarnation } = history.epochs.at(-1) ?? {};
      // A database that nobody could begin yet has no log.
      if (database === undefined || incarnation === undefined) return false;
      if (incarnation !== database.stores.meta.get(`"incarnation"`)?.[1]) return false;
      strangers += 1;
      const header = { kind: "commit", tab: stranger, n: strangers, schema: 1 };
      const made = events?.map((it, at) => ({
        id: `strange-${strangers}-${at}`,
        v: 1,
        at: 0,
        // As other code of ours makes it: with one that no server takes the record would be damage, and its events never read.
        tx: `strange-${strangers}`,
        ...it,
      }));
      device.disk.put("log", database.position + 1, { ...header, events: made }, scope);
      history.observe(`${stranger}: put`);
      return true;
    },

    /** Another device gets a copy of all that is on this one. */
    clone({ device, history, isServed }: Place): boolean {
      const original = device.databases.get(scope);
      if (original === undefined || places.length >= mostDevices) return false;
      const copy = devices.createDevice({ noLocks });
      const stores = Object.fromEntries(
        Object.entries(original.stores).map(([name, store]) => [name, new Map(store)]),
      ) as unknown as MemoryDatabase["stores"];
      (copy.databases as Map<string, MemoryDatabase>).set(scope, {
        stores,
        position: original.position,
        silent: new Map(),
        connections: new Set(),
      });
      addPlace(copy, isServed, history.epochs);
      if (space !== undefined) space.state.isPure = false;
      return true;
    },

    open(version: number, place: Place = places[0] as Place): Tab {
      const { device, history } = place;
      const page = device.openPage();
      const tab: Tab = {
        place,
        page,
        sync: openApp(version, page.environment, place.isServed ? space?.access : undefined),
        version,
        isServed: place.isServed,
        units: [],
        epoch: Math.max(0, history.epochs.length - 1),
        at: 0,
        ready: false,
        stopped: false,
      };
      everyTab.push(tab);
      void (async () => {
        try {
          await tab.sync.ready;
          tab.ready = true;
        } catch {
          // It says so in its phase.
        }
      })();
      tab.sync.on("lost", () => count("recoveries after clearing"));
      return tab;
    },

    /** Commits, or gives the code of the error. */
    commit(tab: Tab, inputs: readonly Input[]): string | undefined {
      try {
        const all = inputs.map((it) => inputOf(tab.version, it));
        const [first] = all;
        const receipt = tab.sync.commit(all.length === 1 && first !== undefined ? first : all);
        register(tab, receipt.events, receipt);
        return undefined;
      } catch (error) {
        if (error instanceof SyncError) return error.code;
        throw error;
      }
    },

    /** What a collection does may commit anew. */
    adopt(tab: Tab, work: () => Promise<unknown>): void {
      const before = tab.sync.outbox.list().length;
      work().catch(() => undefined);
      const made = tab.sync.outbox.list().slice(before);
      if (made.length > 0) register(tab, made);
    },

    /** All faults have stopped. Time passes, and all tabs and the reference must agree. */
    async finish(): Promise<void> {
      for (const { page } of alive()) {
        page.thaw();
        page.restore();
        page.show();
        page.setOnline(true);
      }
      // Several reads may wait for an answer that never comes, a minute each.
      await devices.pass(90_000);
      const fresh: Tab[] = [];
      if (space !== undefined)
        for (const place of places) {
          // Code without a server leads as long as it lives.
          for (const tab of alive()) if (tab.place === place && !tab.isServed) tab.page.close();
          place.isServed = true;
          if (!alive().some((tab) => tab.place === place)) fresh.push(this.open(1, place));
        }
      // A token that was refused is tried again after five minutes at the latest.
      const most = space === undefined ? 6 : 15;
      for (let minutes = 0; minutes < most && !(await isOver()); minutes += 1)
        await devices.pass(60_000);
      expectNoTrouble();
      for (const place of places)
        fresh.push(this.open(Math.max(1, place.history.epochs.at(-1)?.schema ?? 1), place));
      await devices.pass(20_000);
      expectNoTrouble();
      const head = await space?.head();
      for (const { history } of places) {
        const epoch = history.epochs.at(-1) as Epoch;
        const expected = (epoch.states.at(-1) as Replayed).rows;
        if (head !== undefined) {
          const { waiting } = epoch.account;
          const ids = waiting.flatMap(({ unit }) => unit.map(({ id }) => id));
          demand(ids.length === 0, `the server never decided ${ids.join()}: ${tellTabs()}`);
          demand(
            isShown(head.rows, expected),
            `at the end: ${differences(expected, head.rows)}: ${tellTabs()}`,
          );
        }
        const newcomer = fresh.findLast(({ place }) => place.history === history) as Tab;
        for (const tab of alive().filter(({ place }) => place.history === history))
          expectEnd(tab, newcomer, expected);
      }
      this.checkReceipts();
    },

    /** Closes all pages. Node.js keeps streams that are open, and with them everything here: 3 MB a seed. */
    leave(): void {
      for (const { page } of everyTab) if (page.state !== "gone") page.kill();
    },

    /** At the end every commit of a tab that lives is decided, as the reference decides it. */
    checkReceipts(): void {
      for (const unit of new Set(units.values())) {
        const { tab, durable, settled, events, adopted } = unit;
        const { page, stopped, sync } = tab;
        if (page.state !== "gone" && !stopped && !adopted)
          demand(
            durable !== "pending",
            `${events[0]?.id} of ${page.name} (${sync.status.phase}) is not durable at the end`,
          );
        for (const { id, status } of settled ?? []) {
          const found = epochsEver().flatMap(({ states }) => states.at(-1)?.statuses.get(id) ?? []);
          // Which of several took the others' place is not kept by a fold: who comes later hears that it was taken in.
          const isVague = status === "accepted" && found.includes("superseded");
          if (space?.state.isPure === false) continue;
          // What a device decided by itself, and had on no record when it got a server, is for that one to decide.
          if (space !== undefined && !tab.isServed) continue;
          demand(
            found.length === 0 || found.includes(status) || isVague,
            `${id} was decided as ${status}, and the log says ${found.join()}`,
          );
        }
      }
    },
  };
  return world;
}

/** Nothing of it waits any more. */
const isDone = ({ sync: { status }, units }: Tab): boolean =>
  status.phase === "outdated"
    ? units.every(({ durable, adopted }) => adopted || durable !== "pending")
    : status.phase === "ready" && status.pending === 0;

/** What a collection lists, in any order. */
const waitingIn = ({ rejected, quarantine }: Sync, which: "rejected" | "quarantine"): string =>
  (which === "rejected"
    ? rejected.list().map(({ event }) => event.id)
    : quarantine.list().map(({ id }) => id)
  )
    .toSorted()
    .join();

const clean = (row: object): unknown => JSON.parse(JSON.stringify(row));

const isShown = (rows: Replayed["rows"], expected: Replayed["rows"]): boolean =>
  rows.size === expected.size &&
  Array.from(rows).every(([place, row]) => isDeepStrictEqual(clean(row), expected.get(place)));

/** Where two pictures differ, in few words. */
function differences(rows: Replayed["rows"], expected: Replayed["rows"]): string {
  const places = new Set([...rows.keys(), ...expected.keys()]);
  const found = Array.from(places, (place) => {
    const [shown, right] = [rows.get(place), expected.get(place)].map((row) => JSON.stringify(row));
    return shown === right ? "" : `${place} is ${String(shown)}, not ${String(right)}`;
  }).filter(Boolean);
  return found.slice(0, 4).join("; ");
}

export type World = ReturnType<typeof createWorld>;
