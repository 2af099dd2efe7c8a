/** What a leader does: it fences, recovers, decides and folds. The handoff machine says when. */
import { fromPromise } from "xstate";
import { type LeaderResult, type Recovered, handoffMachine } from "./machines/handoff.ts";
import { failureOf } from "./machines/common.ts";
import { type FoldPlan, nextBase, planFold } from "./model/fold.ts";
import { type Meta } from "./model/stored.ts";
import { isUndecided, nowhere, turnToServer, unmoved } from "./authority.ts";
import { type Lead } from "./lead.ts";
import { type Delete, type Put, StorageFailure } from "./services/ports.ts";
import {
  type Shared,
  answered,
  keepDamage,
  quarantineEntries,
  readShared,
  recognised,
} from "./shared.ts";

export function createLeader(shared: Shared, lead: Lead) {
  const { follower, environment, tabs } = shared;
  /** Reads that did not come to an end. */
  let tries = 0;
  /** What was read of the base was damaged, and is to be had from the server. */
  let doubted = false;

  async function claim(signal: AbortSignal): Promise<void> {
    shared.term = undefined;
    lead.begin();
    const claimed = recognised(shared).claim();
    // It may be refused for a term that is none: reading has it rebuilt.
    claimed.catch(() => follower.look());
    const term = await answered(shared, claimed);
    if (!signal.aborted) shared.term = term;
  }

  async function recover(signal: AbortSignal): Promise<Recovered> {
    follower.startLeading();
    while (!signal.aborted) {
      tries += 1;
      shared.careful ||= tries > 2;
      const read = readShared(shared, {
        connection: recognised(shared),
        after: 0,
        whole: true,
        careful: shared.careful,
        stream: undefined,
      });
      read.catch((error: unknown) => {
        shared.careful ||= failureOf(error) !== "lost";
      });
      const outcome = await read;
      tries = 0;
      if (outcome.tag === "newer") return "newer";
      // The load machine has it rebuilt.
      if (outcome.tag === "damaged") follower.look();
      if (outcome.tag !== "read")
        throw new StorageFailure("lost", `Expected readable data, got ${outcome.tag}`);
      const { picture } = outcome;
      if (picture.meta.schema > shared.schema) return "newer";
      await keepDamage(shared, recognised(shared), picture);
      if (signal.aborted) break;
      doubted ||= picture.damage.some(({ key }) => /^(row|segment)\//.test(key));
      if (follower.adopt(picture, quarantineEntries(picture, environment.clock.now()))) break;
    }
    tabs.beat();
    return "recovered";
  }

  async function decide(): Promise<LeaderResult> {
    if (shared.term === undefined) return "nothing";
    if (doubted && follower.replica.byServer()) return await startAnew();
    if (shared.server !== undefined && isUndecided(follower)) {
      const turned = await lead.append([turnToServer(follower.replica)]);
      return turned === "fenced" ? "fenced" : "more";
    }
    const next = nextBase(follower.replica);
    if (next === undefined) return "nothing";
    const { tail, ...body } = next;
    const cut = body.settled.position < follower.position();
    const appended = await lead.append([{ kind: "base", ...body }], tail);
    if (appended === "fenced") return "fenced";
    if (appended === "moved") return "nothing";
    // What was committed meanwhile waits for the next quiet moment: only what one record could not hold goes on at once.
    return cut && !follower.replica.byServer() ? "more" : "done";
  }

  /** Rows of the base are lost: it is read from the server anew. */
  async function startAnew(): Promise<LeaderResult> {
    const written = await lead.append([{ ...unmoved(follower.replica), remote: nowhere }]);
    if (written === "fenced") return "fenced";
    doubted = false;
    return "more";
  }

  /** Rows of the base that moved, each by the position that moved it. */
  const movedNow = (): ReadonlyMap<string, ReadonlyMap<string, number>> =>
    new Map(Array.from(follower.index.moved, ([table, ids]) => [table, new Map(ids)]));

  async function plan(): Promise<FoldPlan | undefined> {
    const { ledger } = follower;
    if (ledger === undefined) return undefined;
    const steps = planFold(follower.replica, follower.index, ledger, environment.clock.now());
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value;
      await environment.clock.pause();
    }
  }

  async function fold(signal: AbortSignal): Promise<LeaderResult> {
    const { term } = shared;
    const connection = recognised(shared);
    const before = movedNow();
    const planned = await plan();
    // What memory leaves out is written over: that has to be kept before.
    await keepDamage(shared, connection, { damage: [], healed: [] });
    const { ledger } = follower;
    // The data that was planned for may be gone.
    if (connection !== shared.recognised) return "nothing";
    // A plan of an earlier term says nothing about the base as it is now.
    if (signal.aborted || planned === undefined || ledger === undefined || term === undefined)
      return "nothing";
    const meta: Partial<Meta> = {
      manifest: planned.manifest,
      floor: planned.floor,
      settled: planned.settled,
      writers: planned.writers as Meta["writers"],
      verdicts: planned.verdicts,
      carried: planned.carried,
      keys: follower.replica.keys() as Meta["keys"],
      ...(planned.remote === undefined ? {} : { authority: "server", remote: planned.remote }),
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
      ...planned.released.map((key): Delete => ({ store: "quarantine", key })),
      // What is no rejected event is in quarantine under that name.
      ...planned.released
        .filter((key) => key.startsWith("rejected/"))
        .map((key): Delete => ({ store: "rejected", key: key.slice("rejected/".length) })),
      ...ranges(planned.folded),
    ];
    const written = await lead.write({ puts, deletes, durability: "strict" }, term);
    if (written.tag === "fenced") return "fenced";
    const after = movedNow();
    for (const [table, segments] of planned.next) {
      follower.index.replace(table, segments);
      // What moved while this was written may not be in it: the next fold writes it.
      for (const [id, position] of after.get(table) ?? [])
        if (before.get(table)?.get(id) !== position)
          follower.index.note([[table, id, null, position]]);
    }
    ledger.floor = planned.floor;
    ledger.writers = planned.writers;
    ledger.verdicts = planned.verdicts;
    ledger.carried = planned.carried;
    for (const position of planned.folded) {
      if (ledger.tail.get(position)?.kind !== "commit") ledger.moves -= 1;
      ledger.tail.delete(position);
    }
    const left = follower.index.outdated();
    if (follower.migration === null) return "done";
    follower.setMigration(left);
    tabs.beat();
    return left > 0 ? "more" : "done";
  }

  return { claim, recover, decide, fold };
}

export function handoffActors(shared: Shared, lead: Lead) {
  const { follower, tabs } = shared;
  const leader = createLeader(shared, lead);
  return handoffMachine.provide({
    actors: {
      claim: fromPromise<void, void>(({ signal }) => leader.claim(signal)),
      recover: fromPromise<Recovered, void>(({ signal }) => leader.recover(signal)),
      decide: fromPromise<LeaderResult, void>(() => lead.alone(leader.decide)),
      fold: fromPromise<LeaderResult, void>(({ signal }) => lead.alone(() => leader.fold(signal))),
      settle: fromPromise<void, void>(async () => {
        await lead.idle();
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
