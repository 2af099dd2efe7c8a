/** The services that the machines name, made from the ports. They do what a machine decided, and report. */
import { fromCallback, fromPromise } from "xstate";
import { SyncError } from "./errors.ts";
import { type Lead, createLead } from "./lead.ts";
import { handoffActors } from "./leader.ts";
import { type PersisterCommand, commitMachine } from "./machines/commit.ts";
import { failureOf } from "./machines/common.ts";
import { type LockCommand, electionMachine } from "./machines/election.ts";
import { type ReadMode, type ReadReport, loadMachine } from "./machines/load.ts";
import { type ServerView } from "./machines/progress.ts";
import { replicationMachine } from "./machines/replication.ts";
import { type ConnectorCommand, storageMachine } from "./machines/storage.ts";
import { encodeRecord } from "./model/packed.ts";
import { freshMeta } from "./model/stored.ts";
import { repairMeta } from "./repair.ts";
import { replicationActors } from "./replication.ts";
import { createReplicator } from "./replicator.ts";
import { createHttp } from "./services/http.ts";
import { type Picture } from "./services/reader.ts";
import { type Connection } from "./services/ports.ts";
import {
  type Shared,
  answered,
  authorityOf,
  connected,
  keepDamage,
  quarantineEntries,
  readShared,
  recognised,
} from "./shared.ts";

const mostOpens = 10;

function storageActors(shared: Shared) {
  const connector = fromCallback<ConnectorCommand>(({ receive, sendBack }) => {
    /** Of the attempts that are made for one connection: when there is one, or it is dropped, all others are for nobody. */
    let round = 0;
    let waiting = 0;
    function next(): void {
      round += 1;
      waiting = 0;
    }
    function drop(): void {
      next();
      shared.connection?.close();
      shared.connection = undefined;
      shared.recognised = undefined;
    }
    async function open(): Promise<void> {
      // Browsers cannot be asked to forget an `open`: whoever did not answer so many will not answer one more.
      if (waiting >= mostOpens) return;
      waiting += 1;
      const mine = round;
      let taken: Connection | undefined;
      try {
        const connection = await shared.storage.open(shared.name, {
          blocked: () => mine === round && sendBack({ type: "connection.blocked" }),
          closed(reason) {
            if (taken !== undefined && taken === shared.connection)
              sendBack({ type: "connection.closed", reason });
          },
          thrownAway: () => {
            if (mine === round) shared.thrownAway = true;
          },
        });
        if (mine !== round) {
          connection.close();
          return;
        }
        next();
        shared.connection = taken = connection;
        sendBack({ type: "connection.opened" });
      } catch (error) {
        if (mine !== round) return;
        waiting -= 1;
        sendBack({ type: "connection.failed", failure: failureOf(error) });
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

const whyLost = {
  cleared: "It was cleared while the app was open.",
  thrownAway: "The browser found its storage damaged, and threw it away.",
};

function loadActors(shared: Shared) {
  const { follower, pipeline, environment } = shared;
  let picture: Picture | undefined;
  /** Where the picture is from. */
  let source: Connection | undefined;
  /** Of which version those segments are that do not say it, once the number in `meta` says it no longer. */
  let untagged: readonly (readonly [string, number])[] = [];

  async function read(mode: ReadMode, careful: boolean, signal: AbortSignal): Promise<ReadReport> {
    const connection = connected(shared);
    shared.careful ||= careful;
    const first = mode === "first";
    const put = first ? follower.startStream() : undefined;
    let outcome = await readShared(shared, {
      connection,
      after: first ? 0 : follower.position(),
      whole: first,
      careful,
      // What a round that was given up still reads is for nobody.
      stream: put && ((table, row) => (signal.aborted ? undefined : put(table, row))),
    });
    // What this tab knows of the disk does not hold for other data, whatever its marks.
    if (outcome.tag === "read" && follower.isOther(outcome.picture))
      outcome = await readShared(
        shared,
        { connection, after: 0, whole: true, careful, stream: undefined },
        true,
      );
    if (signal.aborted) return { tag: "unreadable" };
    if (outcome.tag === "newer") return { tag: "newer" };
    if (outcome.tag === "damaged") {
      shared.reason = outcome.reason;
      return { tag: "damaged" };
    }
    if (outcome.tag === "empty") {
      const made = await connection.initialise(
        freshMeta(shared.schema, shared.randomName(), shared.randomName(), authorityOf(shared)),
      );
      if (!made.damaged) return await read(mode, careful, signal);
      shared.reason = "There is data, but nothing that says what it is.";
      return { tag: "damaged" };
    }
    const { meta, damage, healed } = outcome.picture;
    if (meta.schema > shared.schema) {
      // What was committed before that was known is still written, also where the data was cleared and made anew by newer
      // code: that makes of it what it can.
      if (follower.incarnation !== "") shared.recognised = connection;
      return { tag: "newer" };
    }
    if (meta.schema < shared.schema) {
      untagged = meta.untagged === undefined ? [["untagged", meta.schema]] : [];
      return { tag: "older" };
    }
    shared.reason = undefined;
    ({ picture } = outcome);
    source = connection;
    return { tag: "read", damaged: damage.length + healed.length };
  }

  async function quarantine(): Promise<void> {
    if (picture !== undefined) await keepDamage(shared, connected(shared), picture);
  }

  async function replay(): Promise<number> {
    const taken = picture;
    picture = undefined;
    if (taken === undefined) return follower.position();
    const kept = quarantineEntries(taken, environment.clock.now());
    const isOther = follower.isOther(taken);
    let rows = 0;
    if (isOther) {
      // What began on the old data has no effect on the new: not a term, not a number of a record that is decided.
      shared.term = undefined;
      pipeline.startOver();
      rows = follower.startOver(taken, kept);
      // What the others said of the new data meanwhile was not heard.
      follower.look();
    } else if (!follower.adopt(taken, kept)) return -1;
    // Only now: whoever writes goes by what is in memory.
    shared.recognised = source;
    const { thrownAway } = shared;
    shared.thrownAway = false;
    // Where no row is gone there is nothing to tell: another tab may only have given the data another name, mending it.
    if (rows > 0 || thrownAway)
      shared.lost(rows, pipeline.undecidedEvents(), whyLost[thrownAway ? "thrownAway" : "cleared"]);
    return follower.position();
  }

  return loadMachine.provide({
    actors: {
      read: fromPromise<ReadReport, { mode: ReadMode; careful: boolean }>(({ input, signal }) =>
        read(input.mode, input.careful, signal),
      ),
      repair: fromPromise<boolean, void>(({ signal }) => repairMeta(shared, signal)),
      migrate: fromPromise<void, void>(async () => {
        await connected(shared).claim(new Map([["schema", shared.schema], ...untagged]));
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
          position: await answered(
            shared,
            recognised(shared).append(encodeRecord(group.record), durability),
          ),
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
          const [placed] = await answered(
            shared,
            recognised(shared).ensure([encodeRecord(record)], durability),
          );
          if (mine !== round) return;
          sendBack({ type: "ensure.done", n, position: placed?.position ?? null });
        } catch (error) {
          if (mine === round) sendBack({ type: "ensure.failed", n, failure: failureOf(error) });
          return;
        }
      }
    }

    async function evict(n: number): Promise<void> {
      let evicted = 0;
      try {
        evicted = await recognised(shared).evict();
      } catch {
        // No space was made, which is all that is asked; what is wrong with storage the next write will tell.
      }
      sendBack({ type: "evict.done", n, evicted });
    }

    receive((command) => {
      if (command.type === "evict") void evict(command.n);
      else if (command.type === "ensure") void ensure();
      else void write();
      // The page may go away: nothing waits for what is under way, nor one kind of record for another.
      while (command.type === "flush" && pipeline.hasQueued()) void write();
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
  rollBack(
    args: { event: { readonly type: string } },
    params: { readonly code: "storage_failed" | "storage_full" },
  ): void;
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
      if (beats % lookEvery === 0) shared.follower.look();
      timer = environment.clock.setTimeout(beat, beatEvery);
    }
    beat();
    return () => environment.clock.clearTimeout(timer);
  });
  return electionMachine.provide({ actors: { lock, heart }, actions: { poke: () => tabs.poke() } });
}

function serverActors(shared: Shared, view: ServerView, lead: Lead) {
  const { server, environment, schema } = shared;
  if (server === undefined) return replicationMachine;
  const { network, clock, lifecycle } = environment;
  const { url, auth } = server;
  shared.replicator = createReplicator(shared, lead);
  const http = createHttp({ network, clock, url, auth, schema, online: () => lifecycle.online() });
  return replicationActors(http, shared.replicator, view);
}

/** The machines with their services, for the root. */
export function provideActors(shared: Shared, view: ServerView, acts: CommitActs) {
  const lead = createLead(shared);
  return {
    storage: storageActors(shared),
    load: loadActors(shared),
    commit: commitActors(shared, acts),
    election: electionActors(shared),
    handoff: handoffActors(shared, lead),
    replication: serverActors(shared, view, lead),
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
