/** The services that the machines name, made from the ports. They do what a machine decided, and report. */
import { type AnyEventObject, fromCallback, fromPromise } from "xstate";
import { type QuarantineEntry } from "./api.ts";
import { SyncError } from "./errors.ts";
import { type Follower } from "./follower.ts";
import { commitMachine, type PersisterCommand } from "./machines/commit.ts";
import { failureOf } from "./machines/common.ts";
import { type LockCommand, electionMachine } from "./machines/election.ts";
import { type LeaderResult, type Recovered, handoffMachine } from "./machines/handoff.ts";
import { type ReadMode, type ReadReport, loadMachine } from "./machines/load.ts";
import { type ConnectorCommand, storageMachine } from "./machines/storage.ts";
import { type Definition } from "./model/definition.ts";
import { type FoldPlan, nextBase, planFold } from "./model/fold.ts";
import { type BaseRecord } from "./model/log.ts";
import { encodeRecord } from "./model/packed.ts";
import { type Meta, freshMeta } from "./model/stored.ts";
import { type Pipeline } from "./pipeline.ts";
import {
  type Connection,
  type Delete,
  type Durability,
  type Environment,
  type LeaderWritten,
  type Put,
  StorageFailure,
  type StoragePort,
} from "./services/ports.ts";
import { type Picture, readDisk } from "./services/reader.ts";
import { type Tabs } from "./tabs.ts";

/** What the services of one tab share. */
export interface Shared {
  readonly name: string;
  readonly tab: string;
  readonly schema: number;
  readonly durability: Durability;
  readonly definition: Definition;
  readonly environment: Environment;
  readonly follower: Follower;
  readonly pipeline: Pipeline;
  readonly tabs: Tabs;
  /** Of the lock. */
  lock: string;
  storage: StoragePort;
  connection: Connection | undefined;
  /** The connection whose data was read and found to be what memory holds: no other one is written to. */
  recognised: Connection | undefined;
  /** Of the database as it was first read; empty before. */
  incarnation: string;
  /** The term that this tab claimed; undefined while it does not lead. */
  term: number | undefined;
  /** Why loading failed, for the status. */
  reason: string | undefined;
  readonly randomName: () => string;
}

function connected(shared: Shared): Connection {
  if (shared.connection === undefined)
    throw new StorageFailure("lost", "Expected an open connection, got none");
  return shared.connection;
}

/** For writes. The database behind a new connection may be another one than before. */
function recognised(shared: Shared): Connection {
  const connection = connected(shared);
  if (connection === shared.recognised) return connection;
  throw new StorageFailure("aborted", "Expected data that was read before, got a new connection");
}

function storageActors(shared: Shared) {
  const connector = fromCallback<ConnectorCommand>(({ receive, sendBack }) => {
    /** Answers of an attempt that was given up are for nobody. */
    let attempt = 0;
    function drop(): void {
      attempt += 1;
      shared.connection?.close();
      shared.connection = undefined;
      shared.recognised = undefined;
    }
    async function open(): Promise<void> {
      drop();
      const mine = attempt;
      const report = (event: AnyEventObject): void => {
        if (mine === attempt) sendBack(event);
      };
      try {
        const connection = await shared.storage.open(shared.name, {
          blocked: () => report({ type: "connection.blocked" }),
          closed: (reason) => report({ type: "connection.closed", reason }),
        });
        if (mine !== attempt) {
          connection.close();
          return;
        }
        shared.connection = connection;
        report({ type: "connection.opened" });
      } catch (error) {
        report({ type: "connection.failed", failure: failureOf(error) });
      }
    }
    receive((command) => {
      if (command.type === "open") void open();
      else drop();
    });
    return drop;
  });
  return storageMachine.provide({ actors: { connector } });
}

/** Quarantined pieces by their place, as stored. */
function quarantineEntries(picture: Picture, now: number): QuarantineEntry[] {
  const stored = picture.quarantine.map(([id, value]): QuarantineEntry => {
    const { reason, raw, at } = (
      typeof value === "object" && value !== null ? value : {}
    ) as Partial<QuarantineEntry>;
    return {
      id,
      reason: typeof reason === "string" ? reason : "",
      raw,
      at: typeof at === "number" ? at : now,
    };
  });
  return [
    ...stored,
    ...picture.damage.map(({ key, raw, reason }) => ({ id: key, raw, reason, at: now })),
  ];
}

function loadActors(shared: Shared) {
  const { follower, environment } = shared;
  let picture: Picture | undefined;

  async function read(mode: ReadMode, signal: AbortSignal): Promise<ReadReport> {
    const connection = connected(shared);
    const first = mode === "first";
    const put = first ? follower.startStream() : undefined;
    const outcome = await readDisk({
      connection,
      definition: shared.definition,
      index: follower.index,
      after: first ? 0 : follower.position(),
      whole: first,
      // What a round that was given up still reads is for nobody.
      stream: put && ((table, row) => (signal.aborted ? undefined : put(table, row))),
    });
    if (signal.aborted) return { tag: "unreadable" };
    if (outcome.tag === "newer") return { tag: "newer" };
    if (outcome.tag === "unreadable") {
      shared.reason = outcome.reason;
      return { tag: "unreadable" };
    }
    if (outcome.tag === "empty") {
      if (!first) {
        shared.reason = "The data was deleted while the app was open.";
        return { tag: "unreadable" };
      }
      const made = await connection.initialise(
        freshMeta(shared.schema, shared.randomName(), shared.randomName()),
      );
      if (!made.damaged) return await read(mode, signal);
      shared.reason = "There is data, but nothing that says what it is.";
      return { tag: "unreadable" };
    }
    const { meta, damage } = outcome.picture;
    if (meta.schema > shared.schema) return { tag: "newer" };
    if (shared.incarnation !== "" && meta.incarnation !== shared.incarnation) {
      shared.reason = "The data was deleted while the app was open.";
      return { tag: "unreadable" };
    }
    if (meta.schema < shared.schema) return { tag: "older" };
    shared.incarnation = meta.incarnation;
    shared.recognised = connection;
    ({ picture } = outcome);
    return { tag: "read", damaged: damage.length };
  }

  async function quarantine(): Promise<void> {
    const now = environment.clock.now();
    const puts = (picture?.damage ?? []).map(({ key, raw, reason }): readonly [string, unknown] => [
      key,
      { raw, reason, at: now },
    ]);
    await connected(shared).quarantine(puts, []);
  }

  async function replay(): Promise<number> {
    const taken = picture;
    picture = undefined;
    if (taken === undefined) return follower.position();
    // Memory went ahead of the picture and cannot be bridged: -1 is behind every wanted position.
    const adopted = follower.adopt(taken, quarantineEntries(taken, environment.clock.now()));
    return adopted ? follower.position() : -1;
  }

  return loadMachine.provide({
    actors: {
      read: fromPromise<ReadReport, { mode: ReadMode }>(({ input, signal }) =>
        read(input.mode, signal),
      ),
      migrate: fromPromise<void, void>(async () => {
        await connected(shared).claim(new Map([["schema", shared.schema]]));
      }),
      quarantine: fromPromise<void, void>(quarantine),
      replay: fromPromise<number, void>(replay),
    },
  });
}

function commitActors(shared: Shared, acts: CommitActs) {
  const { pipeline, durability } = shared;
  const persister = fromCallback<PersisterCommand>(({ receive, sendBack }) => {
    /** Only the latest round of `ensure` goes on. */
    let round = 0;

    async function write(): Promise<void> {
      const group = pipeline.take();
      if (group === undefined) return;
      const { n } = group;
      try {
        sendBack({
          type: "write.done",
          n,
          position: await recognised(shared).append(encodeRecord(group.record), durability),
        });
      } catch (error) {
        sendBack({ type: "write.failed", n, failure: failureOf(error) });
      }
    }

    async function ensure(): Promise<void> {
      round += 1;
      const mine = round;
      for (const { n, record } of pipeline.inFlight()) {
        try {
          const [placed] = await recognised(shared).ensure([encodeRecord(record)], durability);
          if (mine !== round) return;
          sendBack({ type: "ensure.done", n, position: placed?.position ?? null });
        } catch (error) {
          if (mine === round) sendBack({ type: "ensure.failed", n, failure: failureOf(error) });
          return;
        }
      }
    }

    receive((command) => {
      void (command.type === "ensure" ? ensure() : write());
    });
    return () => {
      round += 1;
    };
  });
  return commitMachine.provide({ actors: { persister }, actions: acts });
}

/** What the commit machine has done to memory, receipts and the gate. */
export interface CommitActs {
  acknowledge(args: { event: { readonly type: string } }): void;
  rollBack(args: { event: { readonly type: string } }): void;
  openGate(): void;
  closeGate(): void;
}

/** How often a leader shows itself, ms. */
const beatEvery = 2000;
/** In every so many beats the leader looks at the log: a tab that died may have left a record that nobody told of. */
const lookEvery = 5;

function electionActors(shared: Shared) {
  const { environment, tabs } = shared;
  const lock = fromCallback<LockCommand>(({ receive, sendBack }) => {
    let release: (() => void) | undefined;
    function drop(): void {
      release?.();
      release = undefined;
    }
    receive((command) => {
      const { locks } = environment;
      if (locks === null) return;
      if (command.type === "query") {
        // Asking is enough: it evicts a holder from the back/forward cache. The answer decides nothing.
        locks.query(shared.lock).catch(() => undefined);
        return;
      }
      drop();
      if (command.type === "release") return;
      release = locks.request(
        shared.lock,
        {
          granted: () => sendBack({ type: "lock.granted" }),
          lost: () => sendBack({ type: "lock.lost" }),
          failed: () => sendBack({ type: "lock.failed" }),
        },
        { steal: command.type === "steal" },
      );
    });
    return drop;
  });
  const heart = fromCallback<{ readonly type: "beat" }>(() => {
    let timer: unknown;
    let beats = 0;
    function beat(): void {
      tabs.beat();
      beats += 1;
      if (beats % lookEvery === 0) shared.follower.hear(shared.follower.position() + 1);
      timer = environment.clock.setTimeout(beat, beatEvery);
    }
    beat();
    return () => environment.clock.clearTimeout(timer);
  });
  return electionMachine.provide({ actors: { lock, heart }, actions: { poke: () => tabs.poke() } });
}

function handoffActors(shared: Shared) {
  const { follower, environment, pipeline, tabs } = shared;
  let writing: Promise<unknown> = Promise.resolve();

  function write(promise: Promise<LeaderWritten>): Promise<LeaderWritten> {
    writing = promise.catch(() => undefined);
    return promise;
  }

  async function claim(signal: AbortSignal): Promise<void> {
    shared.term = undefined;
    const term = await recognised(shared).claim();
    if (!signal.aborted) shared.term = term;
  }

  async function recover(signal: AbortSignal): Promise<Recovered> {
    follower.startLeading();
    while (!signal.aborted) {
      const outcome = await readDisk({
        connection: recognised(shared),
        definition: shared.definition,
        index: follower.index,
        after: 0,
        whole: true,
        stream: undefined,
      });
      if (outcome.tag === "newer") return "newer";
      if (outcome.tag !== "read")
        throw new StorageFailure("lost", `Expected readable data, got ${outcome.tag}`);
      const { picture } = outcome;
      if (picture.meta.schema > shared.schema) return "newer";
      if (picture.damage.length > 0) {
        const now = environment.clock.now();
        const puts = picture.damage.map(({ key, raw, reason }): readonly [string, unknown] => [
          key,
          { raw, reason, at: now },
        ]);
        await recognised(shared).quarantine(puts, []);
      }
      if (signal.aborted) break;
      if (follower.adopt(picture, quarantineEntries(picture, environment.clock.now()))) break;
    }
    tabs.beat();
    return "recovered";
  }

  async function decide(): Promise<LeaderResult> {
    const next = nextBase(follower.replica);
    if (next === undefined || shared.term === undefined) return "nothing";
    const { tail, ...body } = next;
    const n = pipeline.nextNumber();
    const record: BaseRecord = {
      kind: "base",
      tab: shared.tab,
      n,
      schema: shared.schema,
      term: shared.term,
      ...body,
    };
    const written = await write(
      recognised(shared).lead({
        term: shared.term,
        append: record,
        durability: shared.durability,
        ...(tail === undefined ? {} : { tail }),
      }),
    );
    if (written.tag === "fenced") return "fenced";
    if (written.tag === "tailMoved") {
      follower.hear(written.tail);
      return "nothing";
    }
    if (written.position !== null) {
      follower.receive(written.position, record);
      tabs.changed(written.position, record);
    }
    return nextBase(follower.replica) === undefined ? "done" : "more";
  }

  async function plan(): Promise<FoldPlan | undefined> {
    const { ledger } = follower;
    if (ledger === undefined) return undefined;
    // Rows of a table that this code does not know would be lost with their records.
    for (const [table, ids] of follower.index.moved)
      if (ids.size > 0 && !shared.definition.tables.has(table)) return undefined;
    const steps = planFold(follower.replica, follower.index, ledger, environment.clock.now());
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value;
      await environment.clock.pause();
    }
  }

  async function fold(signal: AbortSignal): Promise<LeaderResult> {
    const { term } = shared;
    const planned = await plan();
    const { ledger } = follower;
    // A plan of an earlier term says nothing about the base as it is now.
    if (signal.aborted || planned === undefined || ledger === undefined || term === undefined)
      return "nothing";
    const meta: Partial<Meta> = {
      manifest: planned.manifest as Meta["manifest"],
      floor: planned.floor,
      settled: planned.settled,
      writers: planned.writers as Meta["writers"],
      keys: follower.replica.keys() as Meta["keys"],
    };
    const puts: Put[] = [
      ...planned.segments.map(([table, no, value]): Put => ({
        store: "segments",
        key: [table, no],
        value,
      })),
      ...Object.entries(meta).map(([key, value]): Put => ({ store: "meta", key, value })),
      ...planned.rejected.map((it): Put => ({ store: "rejected", key: it.event.id, value: it })),
    ];
    const deletes: Delete[] = [
      ...planned.dropped.map((key): Delete => ({ store: "segments", key })),
      ...planned.dismissed.map((key): Delete => ({ store: "rejected", key })),
      ...ranges(planned.folded),
    ];
    const written = await write(
      recognised(shared).lead({ term, puts, deletes, durability: "strict" }),
    );
    if (written.tag === "fenced") return "fenced";
    for (const [table, segments] of planned.next) follower.index.replace(table, segments);
    ledger.floor = planned.floor;
    ledger.writers = planned.writers;
    for (const position of planned.folded) ledger.tail.delete(position);
    return "done";
  }

  return handoffMachine.provide({
    actors: {
      claim: fromPromise<void, void>(({ signal }) => claim(signal)),
      recover: fromPromise<Recovered, void>(({ signal }) => recover(signal)),
      decide: fromPromise<LeaderResult, void>(decide),
      fold: fromPromise<LeaderResult, void>(({ signal }) => fold(signal)),
      settle: fromPromise<void, void>(async () => {
        await writing;
        tabs.bye();
      }),
    },
    actions: {
      resign() {
        shared.term = undefined;
        follower.stopLeading();
      },
    },
  });
}

/** Positions in ascending order → as few ranges as hold them. */
function ranges(positions: readonly number[]): Delete[] {
  const all: { store: "log"; from: number; to: number }[] = [];
  for (const position of positions.toSorted((a, b) => a - b)) {
    const last = all.at(-1);
    if (last !== undefined && last.to === position - 1) last.to = position;
    else all.push({ store: "log", from: position, to: position });
  }
  return all;
}

/** The machines with their services, for the root. */
export function provideActors(shared: Shared, acts: CommitActs) {
  return {
    storage: storageActors(shared),
    load: loadActors(shared),
    commit: commitActors(shared, acts),
    election: electionActors(shared),
    handoff: handoffActors(shared),
  };
}

/** An event of the commit machine that carries a group's number. */
export const groupOf = (event: {
  readonly type: string;
}): { readonly n: number; readonly position: number | null } => {
  const { n, position } = event as { readonly n?: number; readonly position?: number | null };
  if (n === undefined) throw new SyncError("storage_failed", "Expected an event about a group");
  return { n, position: position ?? null };
};
