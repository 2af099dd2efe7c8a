/** What happens: work and faults, in the proportions of a seed, and then an end to all faults. */
import { type Committed, apply } from "./device.ts";
import { diceOf } from "./dice.ts";
import { type Server, backupOf, collect, holds } from "./server.ts";
import { createTabs } from "./tabs.ts";
import { type Device, type Options, count, createWorld, rowNames } from "./world.ts";

/** How often things happen; a seed makes faults rarer or more frequent, each by itself. */
const work = { commit: 17, push: 19, pull: 15, query: 6, network: 27 };
const faults = {
  hear: 2.5,
  elect: 3.5,
  die: 2,
  powerCut: 1,
  collect: 1.5,
  permission: 1.5,
  backup: 1,
  restore: 0.7,
  copy: 0.6,
  forget: 0.8,
};
const factors = [0, 0.5, 1, 1, 2, 5];

type Step = keyof typeof work | keyof typeof faults;

const drop = <K, V>(map: ReadonlyMap<K, V>, key: K): ReadonlyMap<K, V> =>
  new Map(Array.from(map).filter(([it]) => it !== key));

export function createPlay(seed: number, options: Options) {
  const dice = diceOf(seed);
  const { mutant, story } = options;
  let ids = 0;
  let events = 0;
  const nextClient = (): string => `c${(ids += 1)}`;
  const world = createWorld(options, nextClient);
  const tabs = createTabs(world, dice, nextClient);
  const { append, doPull, doPush, doQuery, drain, elect, leaderOf, onNetwork } = tabs;
  let backup: Server | undefined;
  const weights: [Step, number][] = [
    ...(Object.entries(work) as [Step, number][]),
    ...(Object.entries(faults) as [Step, number][]).map(([name, weight]): [Step, number] => [
      name,
      weight * dice.pick(factors),
    ]),
  ];
  const total = weights.reduce((sum, [, weight]) => sum + weight, 0);
  const slides = dice.pick([0.05, 0.25, 0.5]);

  function newEvent(it: Device, more: Partial<Committed> = {}): Committed {
    const id = `e${(events += 1)}`;
    world.committed.set(id, it);
    const row = dice.pick(it.state.wanted === "all" ? rowNames : Array.from(it.state.wanted));
    return { id, row, ...more };
  }

  function commitOn(it: Device): void {
    const kind = dice.fraction();
    const bad = dice.fraction() < 0.08;
    if (kind < 0.15) {
      const tx = `tx${events}`;
      const unit = Array.from({ length: 2 + dice.below(2) }, (_, at) =>
        newEvent(it, { tx, bad: bad && at > 0 }),
      );
      append(it, {
        kind: "commit",
        events: unit,
      });
      return;
    }
    const slide = kind < 0.15 + slides ? `s${dice.below(2)}` : undefined;
    const key = kind > 0.92 ? `k${dice.below(3)}` : undefined;
    append(it, { kind: "commit", events: [newEvent(it, { slide, key, bad })] });
  }

  /** All tabs die, and what the disk was only asked to write is lost from some point on. */
  function powerCut(it: Device): void {
    count(world, "power cut");
    for (const leader of it.leaders) leader.alive = false;
    it.leaders = [];
    const kept = it.synced + dice.below(it.log.length - it.synced + 1);
    const lost = it.log.slice(kept);
    story?.(`${it.name} loses its power, and ${lost.length} records after #${kept}`);
    it.log = it.log.slice(0, kept);
    it.state = it.first;
    const known = new Set<string>();
    for (const record of it.log) {
      const { state, told } = apply(it.state, record, mutant);
      it.state = state;
      for (const [id] of told) known.add(id);
    }
    for (const [id, outcomes] of it.told) {
      if (known.has(id)) continue;
      world.untold.add(id);
      // Whatever took its place is gone.
      outcomes.delete("superseded");
    }
    for (const record of lost) {
      if (record.kind === "commit") for (const { id } of record.events) world.gone.add(id);
      if (record.kind !== "attempt") continue;
      count(world, "attempt record lost");
      for (const [id] of record.numbers) {
        const event = it.state.outbox.find((other) => other.id === id);
        if (event?.attempted === false) world.forgotten.add(id);
      }
    }
  }

  function copy(it: Device): void {
    count(world, "profile copied");
    const twin: Device = {
      ...it,
      name: `${it.name}*${events}`,
      leaders: [],
      told: new Map(Array.from(it.told, ([id, outcomes]) => [id, new Set(outcomes)])),
      copied: true,
    };
    it.copied = true;
    story?.(`${it.name} is copied to ${twin.name}`);
    world.devices.push(twin);
    append(twin, { kind: "commit", events: [newEvent(twin)] });
  }

  function restore(from: Server): void {
    count(world, "restore");
    story?.(`the server is restored to ${from.head}`);
    world.server = backupOf(from);
    world.restored = true;
    world.network = [];
    for (const { told } of world.devices) for (const id of told.keys()) world.restoredAway.add(id);
    for (const [row, { token }] of world.cache)
      if (token.pos > world.server.head) world.cache.delete(row);
  }

  const steps: Readonly<Record<Step, (it: Device) => void>> = {
    commit: commitOn,
    push: (it) => doPush(leaderOf(it)),
    pull: (it) => doPull(leaderOf(it)),
    query: (it) => doQuery(leaderOf(it), dice.pick(rowNames), false),
    network: onNetwork,
    /** Leaders read what others appended. */
    hear: (it) => {
      for (const leader of it.leaders) leader.known = it.log.length;
    },
    elect,
    /** Tabs die, with the answers they wait for. */
    die: (it) => {
      for (const leader of it.leaders) leader.alive = false;
      it.leaders = [];
    },
    powerCut,
    collect: () => {
      const { server } = world;
      collect(server, Math.max(server.floor, server.head - dice.below(6)), mutant);
    },
    permission: () => {
      world.server.permitted = !world.server.permitted;
    },
    backup: () => {
      backup = backupOf(world.server);
    },
    restore: () => {
      if (backup !== undefined) restore(backup);
    },
    copy: (it) => {
      if (world.devices.length < 5) copy(it);
    },
    /** A client that was idle for long is forgotten. */
    forget: () => {
      const { clients } = world.server;
      if (clients.size > 0)
        world.server.clients = drop(clients, dice.pick(Array.from(clients.keys())));
    },
  };

  function step(): void {
    let at = dice.fraction() * total;
    const it = dice.pick(world.devices);
    for (const [name, weight] of weights) {
      at -= weight;
      if (at < 0) {
        steps[name](it);
        return;
      }
    }
  }

  /** Faults end. Whether everything is decided and known everywhere, after some rounds. */
  function settle(): boolean {
    world.server.permitted = true;
    world.network = [];
    for (const it of world.devices) {
      for (const leader of it.leaders) leader.alive = false;
      it.leaders = [];
    }
    for (let round = 0; round < 200; round += 1) {
      for (const it of world.devices) {
        const leader = it.leaders.at(-1) ?? elect(it);
        doPush(leader);
        drain();
        for (let pages = 0; pages < 60; pages += 1) {
          const before = it.state.cursor;
          doPull(leader);
          drain();
          if (before !== null && it.state.cursor === before) break;
        }
      }
      const done = world.devices.every(
        ({ state }) => state.outbox.length === 0 && state.cursor?.pos === world.server.head,
      );
      if (done) return true;
    }
    return false;
  }

  /** Whether a device is on the history that the server has now. */
  const onHistory = ({ state: { cursor, seen } }: Device): boolean =>
    cursor !== null && [cursor, ...seen].every((it) => holds(world.server, it));

  return { world, step, settle, onHistory };
}
