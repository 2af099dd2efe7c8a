/**
 * The server of a history: the real one, on storage that can be put back to a backup. What it writes is replayed by the
 * reference as well, so that it is known what rows every place of its log stands for.
 */
import { type LogEntry, decodeCursor } from "../../src/protocol/index.ts";
import {
  type Compaction,
  type PushWrite,
  type SpaceHead,
  type Storage,
  createSyncServer,
  memory,
} from "../../src/server/index.ts";
import { type World as Devices } from "../../src/testing/index.ts";
import { type Fact, type Replayed, type Rules, advance, nothing } from "../model/reference.ts";
import { type Access, type Input, appOf, rules } from "./app.ts";
import { demand } from "./demand.ts";

const spaceName = "me";

/** What a place of the log stands for. */
export interface Place {
  readonly pos: number;
  readonly rows: Replayed["rows"];
  /** All events that were ever accepted on the way there. */
  readonly ids: ReadonlySet<string>;
}

type Written = { readonly push: PushWrite } | { readonly compaction: Compaction };

/** The server has decided which of several events with one key counts. */
const decided: Rules = { ...rules, dedupe: () => undefined, coalesce: () => undefined };

const nowhere: Place = { pos: 0, rows: nothing.rows, ids: new Set() };

/** A place that the app's rule lets nobody move anything to. */
const forbiddenPlace = "p8";

const keyOf = ({ epoch, pos, hash }: { epoch: string; pos: number; hash: string }): string =>
  [epoch, pos, hash].join(" ");

function fail(what: string): never {
  throw new Error(`Expected the reference to follow, got ${what}`);
}

export interface SpaceOptions {
  readonly devices: Devices;
  readonly seed: number;
  /** An event as it was committed. */
  eventOf(id: string): Fact | undefined;
  count(what: string): void;
  /** Runs in the server's own time: what is wrong is told with the next step. */
  later(demands: () => void): void;
}

export function createSpace({ devices, seed, eventOf, count, later }: SpaceOptions) {
  const journal: Written[] = [];
  let backup: number | undefined;
  const places = new Map<string, Place>();
  /** All that was ever accepted, also what a backup does not have. */
  const accepted = new Set<string>();
  /** Of these an app was told that they have no effect. */
  const denied = new Map<string, string>();
  /** Which client's number is whose, by the devices' own logs. */
  const numbers = new Set<string>();
  const placeOf = ({ epoch, head, hash }: SpaceHead): Place =>
    head === 0
      ? nowhere
      : (places.get(keyOf({ epoch, pos: head, hash })) ?? fail(`no place at ${head}`));
  const state = {
    /** A history in which the server forgot, or two devices are one: some of what was told does not hold then. */
    isPure: true,
    mayTake: true,
    mayEnter: true,
    isBroken: false,
    token: "token",
    valid: "token",
  };

  function follow({ rows }: PushWrite, from: SpaceHead): void {
    let { rows: shown, ids } = placeOf(from);
    for (let at = 0; at < rows.length;) {
      const { tx } = rows[at] as (typeof rows)[number];
      const isOther = (row: (typeof rows)[number], index: number): boolean =>
        index > at && (tx === undefined || row.tx !== tx);
      const next = rows.findIndex(isOther);
      const end = next === -1 ? rows.length : next;
      const unit = rows.slice(at, end).map(({ entry }): Fact => {
        const { id = "", name, payload } = JSON.parse(entry) as LogEntry;
        return name === undefined ? (eventOf(id) ?? fail(`event ${id}`)) : { id, name, payload };
      });
      for (const { id } of unit)
        later(() => {
          demand(!ids.has(id), `the server has ${id} twice`);
          const told = state.isPure ? denied.get(id) : undefined;
          demand(told === undefined, `${id} was told as ${told}, and the server has it`);
        });
      const step = { unit, position: 0 };
      shown = advance(decided, { ...nothing, rows: shown }, step).rows;
      ids = new Set([...ids, ...unit.map(({ id }) => id)]);
      for (const { id } of unit) accepted.add(id);
      const { pos, hash } = rows[end - 1] as (typeof rows)[number];
      places.set(keyOf({ epoch: from.epoch, pos, hash }), { pos, rows: shown, ids });
      at = end;
    }
  }

  function note(inner: Storage<undefined>): Storage<undefined> {
    return {
      ...inner,
      push: (name, want, decide) =>
        inner.push(name, want, async (found) => {
          const push = await decide(found);
          if (push === undefined) return push;
          journal.push({ push });
          follow(push, found.space);
          return push;
        }),
      async compact(name, compaction) {
        const { ids } = placeOf((await inner.heads([name])).get(name) as SpaceHead);
        await inner.compact(name, compaction);
        journal.push({ compaction });
        const { epoch, head: pos, hash } = (await inner.heads([name])).get(name) as SpaceHead;
        if (compaction.epoch !== undefined)
          places.set(keyOf({ epoch, pos, hash }), { pos, rows: nothing.rows, ids });
      },
    };
  }

  const isRich = seed % 3 !== 0;
  const app = appOf(1);
  let storage = note(memory());
  const open = () =>
    createSyncServer({
      storage,
      events: app.events,
      ...(isRich ? { tables: app.tables as never, materializers: app.materializers } : {}),
      ...(isRich && seed % 4 === 1 ? { deliver: "both" as const } : {}),
      ...(seed % 5 === 2
        ? { limits: { batchEvents: 3, pageEntries: 2 } }
        : seed % 5 === 3
          ? { limits: { eventsPerMinute: 6 } }
          : {}),
      authenticate: (request) =>
        request.headers.get("authorization") === `Bearer ${state.valid}` ? { id: "anna" } : null,
      authorizeSpace: () => state.mayEnter,
      authorize({ event }) {
        if (state.isBroken) throw new Error("the app's rule is broken");
        const { name, payload } = event as Input;
        if (name === "moved" && payload.place === forbiddenPlace) {
          count("events the server rejects");
          return { code: "conflict" };
        }
        if (name !== "taken" || state.mayTake) return true;
        count("events nobody may commit for now");
        return { code: "forbidden" };
      },
      clock: devices.clock,
      random: devices.random,
      onError(error, where) {
        if (!state.isBroken) later(() => fail(`${where}: ${String(error)}`));
      },
    });
  let server = open();

  async function serve(request: Request): Promise<Response> {
    const kind = new URL(request.url).pathname.split("/").at(-1) ?? "";
    count(`requests: ${kind}`);
    if (kind === "push") {
      const { client, events } = (await request.clone().json()) as {
        readonly client: string;
        readonly events: readonly { readonly id: string; readonly seq: number }[];
      };
      for (const { id, seq } of events) {
        const isNoted = numbers.has(`${client} ${seq} ${id}`);
        later(() => demand(isNoted, `${id} is sent as ${seq} of ${client}, which is on no record`));
      }
    }
    const response = await server.fetch(request);
    if (response.status >= 400) count(`answers: ${response.status}`);
    return response;
  }
  devices.network.serve(serve);

  function restart(): void {
    server = open();
    devices.network.cut();
  }

  const access: Access = {
    url: `/sync/${spaceName}`,
    auth: () => state.token,
    live: seed % 7 === 4 ? "poll" : true,
  };

  return {
    state,
    access,
    accepted,
    denied,
    numbers,
    restart,
    /** What a cursor stands for. */
    at(cursor: string): Place | undefined {
      const parts = decodeCursor(cursor);
      return parts === undefined ? undefined : parts.pos === 0 ? nowhere : places.get(keyOf(parts));
    },
    async head(): Promise<Place> {
      return placeOf((await storage.heads([spaceName])).get(spaceName) as SpaceHead);
    },
    backUp: (): number => (backup = journal.length),
    /** Puts the server back to its backup. */
    async restore(): Promise<boolean> {
      if (backup === undefined || backup === journal.length) return false;
      journal.length = backup;
      const inner = memory();
      for (const it of journal)
        if ("push" in it)
          await inner.push(
            spaceName,
            { ids: [], keys: [], writes: false },
            async () => await Promise.resolve(it.push),
          );
        else await inner.compact(spaceName, it.compaction);
      storage = note(inner);
      state.isPure = false;
      restart();
      return true;
    },
    compact: async () => await server.compact(spaceName, { logDays: 0 }),
    newEpoch: async () => await server.newEpoch(spaceName),
  };
}

export type Space = ReturnType<typeof createSpace>;
