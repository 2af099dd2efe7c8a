/** A tab without machines: follower, pipeline, leader and replicator on a disk in memory, one step at a time. */
import { createFollower } from "../../src/follower.ts";
import { createLead } from "../../src/lead.ts";
import { createLeader } from "../../src/leader.ts";
import { type Decision } from "../../src/model/entry.ts";
import { type Envelope, type LogRecord, type RejectedEvent } from "../../src/model/log.ts";
import { encodeRecord } from "../../src/model/packed.ts";
import { decodeRecord, freshMeta } from "../../src/model/stored.ts";
import { type Receipt, createPipeline } from "../../src/pipeline.ts";
import { createReplicator } from "../../src/replicator.ts";
import { type MemoryDatabase, createMemoryStorage } from "../../src/services/memory-storage.ts";
import { type Connection, StorageFailure, type StoragePort } from "../../src/services/ports.ts";
import { readDisk } from "../../src/services/reader.ts";
import { type Shared, quarantineEntries } from "../../src/shared.ts";
import { definition } from "../model/app.ts";

export interface Commit {
  readonly unit: readonly Envelope[];
  readonly receipt: Receipt;
}

export type Message = readonly [position: number, record: LogRecord];

let names = 0;

/** A tab, as the others know it. */
interface Peer {
  readonly inbox: Message[];
  resign(): void;
}

/** One database, and the tabs on it. */
export interface Disk {
  readonly storage: StoragePort;
  readonly tabs: Peer[];
  readonly authority: "device" | "server";
  readonly client: string;
  /** Ids of events, in the order of the log. */
  readonly order: string[];
  /** Spoils a record of a kind in the log: the last one, or one before it. */
  damage(kind: string, before?: number): Promise<void>;
}

export const createDisk = (authority: Disk["authority"] = "server", client = "client-0"): Disk => {
  const databases = new Map<string, MemoryDatabase>();
  return {
    client,
    order: [],
    storage: createMemoryStorage(databases),
    tabs: [],
    authority,
    async damage(kind, before = 0) {
      const log = databases.get("d")?.stores.log;
      const all = Array.from(log ?? []).filter(
        ([, [, value]]) => (value as LogRecord).kind === kind,
      );
      const found = all.at(-1 - before);
      if (found !== undefined) log?.set(found[0], [found[1][0], { kind: "spoilt" }]);
    },
  };
};

const noEvents = { blocked: () => undefined, closed: () => undefined };

/** How often a leader's write is let through before the tab dies, and whether the last one is stored. */
interface Fate {
  left: number;
  stored: boolean;
}

export class Died extends Error {}

export async function openTab(
  disk: Disk,
  options: { readonly adopt?: NonNullable<Shared["server"]>["adopt"] } = {},
) {
  names += 1;
  const name = `tab-${names}`;
  const raw = await disk.storage.open("d", noEvents);
  let fate: Fate | undefined;
  const connection: Connection = {
    ...raw,
    async lead(write) {
      if (fate !== undefined && fate.left-- <= 0) {
        if (fate.stored) await raw.lead(write);
        throw new Died();
      }
      return await raw.lead(write);
    },
  };
  await connection.initialise(freshMeta(1, "incarnation", disk.client, disk.authority));
  const pipeline = createPipeline(name, 1);
  const inbox: Message[] = [];
  const commits: Commit[] = [];
  const decisions = new Map<string, Decision>();
  const rejected: RejectedEvent[] = [];
  let gap = 0;
  let client = 0;

  const follower = createFollower({
    definition,
    tab: name,
    schema: 1,
    publish: () => undefined,
    publishAll: () => undefined,
    settle(settlements) {
      for (const { entry, decisions: told } of settlements) {
        pipeline.settle(entry, told);
        for (const it of told) {
          if (decisions.has(it.id)) throw new Error(`Expected one decision on ${it.id}`);
          decisions.set(it.id, it);
        }
      }
    },
    keep: ({ key, ...rest }) => ({ id: key, ...rest, at: 1 }),
    signal(signal) {
      if (signal.type !== "gap.found") return;
      gap = Math.max(gap, signal.position);
      // A leader waits for its own records: they are read as soon as they are missed.
      if (shared.term !== undefined) queueMicrotask(() => void mine.catchUp());
    },
    rejected: (events) => rejected.push(...events),
  });

  /** As another tab gets it: through structured clone and the checks of what arrives. */
  function send(position: number, record: LogRecord): void {
    const copy = decodeRecord(structuredClone(encodeRecord(record)));
    if (copy === undefined) throw new Error("Expected a record that decodes");
    for (const tab of disk.tabs) if (tab !== mine) tab.inbox.push([position, copy]);
  }

  const shared = {
    name: "d",
    tab: name,
    schema: 1,
    durability: "relaxed",
    definition,
    environment: {
      clock: { now: () => 1, pause: () => Promise.resolve() },
      random: { bytes: (count: number) => crypto.getRandomValues(new Uint8Array(count)) },
    },
    follower,
    pipeline,
    tabs: { changed: send, beat: () => undefined, bye: () => undefined },
    connection,
    recognised: connection,
    term: undefined,
    unkept: new Map(),
    careful: false,
    server: { adopt: options.adopt },
    randomName: () => `client-${name}-${(client += 1)}`,
  } as unknown as Shared;
  const lead = createLead(shared);
  const leader = createLeader(shared, lead);
  const replicator = createReplicator(shared, lead);

  async function read(whole: boolean, first = false): Promise<boolean> {
    const outcome = await readDisk({
      connection,
      definition,
      tab: name,
      index: follower.index,
      after: whole ? 0 : follower.position(),
      whole,
      careful: false,
      stream: first ? follower.startStream() : undefined,
    });
    if (outcome.tag !== "read") throw new Error(`Expected readable data, got ${outcome.tag}`);
    return follower.adopt(outcome.picture, quarantineEntries(outcome.picture, 1));
  }

  const mine = {
    name,
    disk,
    shared,
    follower,
    replica: follower.replica,
    pipeline,
    replicator,
    leader,
    inbox,
    commits,
    decisions,
    rejected,
    connection,
    raw,
    isBehind: () => gap > follower.position(),

    commit(unit: readonly Envelope[]): Commit | undefined {
      let done: ReturnType<typeof follower.replica.commit>;
      try {
        done = follower.replica.commit(unit);
      } catch {
        return undefined;
      }
      const { receipt, unwritten } = pipeline.add(done.entry, done.replaced);
      if (unwritten !== undefined) {
        follower.replica.forget(unwritten);
        for (const { id } of unwritten.unit) decisions.set(id, { id, status: "superseded" });
      }
      const commit = { unit, receipt };
      commits.push(commit);
      return commit;
    },

    /** Writes what waits as one record. */
    async flush(): Promise<void> {
      const group = pipeline.take();
      if (group === undefined) return;
      const position = await connection.append(encodeRecord(group.record), "relaxed");
      if (group.record.kind === "commit")
        disk.order.push(...group.record.events.map(({ id }) => id));
      pipeline.acknowledge(group.n);
      pipeline.keep(group);
      follower.receive(position, group.record);
      send(position, group.record);
    },
    deliver(nth: number): void {
      const [message] = inbox.splice(nth % Math.max(1, inbox.length), 1);
      if (message !== undefined) follower.receive(...message);
    },
    async catchUp(whole = false): Promise<void> {
      inbox.length = 0;
      for (let tries = 0; !(await read(whole)); tries += 1)
        if (tries > 5) throw new Error("Expected a picture that can be taken over");
      gap = 0;
    },
    async lead(): Promise<void> {
      for (const tab of disk.tabs) if (tab !== mine) tab.resign();
      const { signal } = new AbortController();
      await leader.claim(signal);
      await leader.recover(signal);
      gap = 0;
    },
    resign(): void {
      shared.term = undefined;
      follower.stopLeading();
    },
    /** What happens when the page rests. */
    decide: () => lead.alone(leader.decide),
    fold: () => lead.alone(() => leader.fold(new AbortController().signal)),
    /** Dies at the `left`-th write of a leader from now on, before or after it is stored. */
    dieAt(left: number, stored: boolean): void {
      fate = { left, stored };
    },
    kill(): void {
      mine.resign();
      disk.tabs.splice(disk.tabs.indexOf(mine), 1);
      connection.close();
    },
    /** A connection that fails without a word. */
    lost: () => new StorageFailure("lost", "Expected an answer, got none"),
  };
  disk.tabs.push(mine);
  await read(true, true);
  return mine;
}

export type Tab = Awaited<ReturnType<typeof openTab>>;
