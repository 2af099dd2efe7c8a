/** What the leader writes down of replication: each method is one step, and one fenced record. The machine says when. */
import { isUndecided, turnToServer } from "./authority.ts";
import { toUnit } from "./commit-input.ts";
import { type Appended, type Body, type Lead } from "./lead.ts";
import { nextBase } from "./model/fold.ts";
import { createIdMaker } from "./model/id.ts";
import { show } from "./model/json.ts";
import { type Ack, type Envelope, type RejectedEvent, type RowImage } from "./model/log.ts";
import {
  type BatchLimits,
  countWaiting,
  nextBatch,
  refusal,
  withoutServer,
} from "./model/outbox.ts";
import { type Unfit, ackedFrom } from "./model/page.ts";
import { type Snapshot, type Written, createMover, deciding, done, some } from "./mover.ts";
import {
  type LogPage,
  type PushRequest,
  type PushResponse,
  type Rejection,
} from "./protocol/index.ts";
import { type Shared } from "./shared.ts";

/** What there is to do, from memory. */
export interface Outlook {
  /** Events that the server has to decide. */
  readonly undecided: number;
  /** Events that it took in, and that were not seen in its log yet. */
  readonly unseen: number;
  /** Where to pull from; null: from the beginning. */
  readonly cursor: string | null;
  readonly pos: number;
  readonly epoch: string | null;
  /** Nothing is to be sent before, ms since the epoch. */
  readonly notBefore: number;
  /** How many pushes in a row got no answer. */
  readonly attempt: number;
  /** The base was decided on the device, and the app has not said how the server gets to know it. */
  readonly blocked: "adoption" | null;
}

export type Attempted =
  | { readonly tag: "send"; readonly request: PushRequest }
  | { readonly tag: "nothing" }
  | { readonly tag: "fenced" }
  /** The first unit can never be sent. */
  | { readonly tag: "oversize"; readonly ids: readonly string[] };

const unsent = (came: Appended | Written): Attempted => ({
  tag: came === "fenced" ? came : "nothing",
});

/** This code does not understand an entry of the page: nothing was applied. */
export type Incompatible = Unfit;

/** Every method rejects with a `StorageFailure` when the write failed. */
export interface Replicator {
  look(): Outlook;
  /** Gives numbers to the next events, on disk: what is sent is known to whoever leads next. */
  attempt(limits: BatchLimits): Promise<Attempted>;
  /** Writes down decisions and acknowledgements. `rotate` and `resend` are what `stopped` asks for. */
  answered(request: PushRequest, answer: PushResponse): Promise<Written | "rotate" | "resend">;
  /** There was no answer, and nothing is to be sent before `notBefore`. */
  failed(notBefore: number): Promise<Written>;
  /** Rejects events, and those that were committed with them, that can never be sent. */
  refuse(ids: readonly string[], error: Rejection): Promise<Written>;
  /** From here on the server knows this device by another name, and every event has another number. */
  rotate(): Promise<Written>;
  /**
   * Applies a page, if memory is where it begins. One from the beginning is taken as it is where there is no base; else
   * pages are collected until one says that no more follow, and the base becomes what they come to.
   */
  pulled(page: LogPage): Promise<Written | "stale" | Incompatible>;
  /** The base becomes this snapshot; what is undecided stays, and is to be sent again. */
  reset(snapshot: Snapshot): Promise<Written | Incompatible>;
  /** Where `look` says `adoption`: the app's `adopt` is run, and what it gives takes the place of the base. */
  adopt(): Promise<Written | Incompatible>;
}

export function createReplicator(shared: Shared, lead: Lead): Replicator {
  const { follower, definition, environment } = shared;
  const { replica } = follower;
  const { remote } = replica;
  const mover = createMover(shared, lead);
  /** Where the base was when a push was sent. */
  const sentAt = new WeakMap<PushRequest, number>();
  let looked: { readonly key: string; readonly undecided: number } | undefined;

  /** Runs when this tab leads, memory has all that it wrote, and a server decides. */
  function leading<T>(run: () => Promise<T>): Promise<T | Written> {
    return lead.alone(async () => {
      await follower.caughtUp();
      if (shared.term === undefined || follower.ledger === undefined) return "nothing";
      if (replica.byServer()) return await run();
      if (!isUndecided(follower)) return "nothing";
      const turned = await lead.append([turnToServer(replica)]);
      return turned === "written" && replica.mayDecide() ? await run() : done(turned);
    });
  }

  /** The undecided events among these, as they are logged. */
  function findOpen(ids: Iterable<string>): ReadonlyMap<string, Envelope> {
    const wanted = new Set(ids);
    const open = new Map<string, Envelope>();
    for (const { unit, position } of replica.overlay) {
      if (position === null) break;
      for (const event of unit)
        if (wanted.has(event.id) && !remote.isDecided(event.id)) open.set(event.id, event);
    }
    return open;
  }

  const note = (changes: Partial<Omit<Extract<Body, { kind: "attempt" }>, "kind">>): Body => ({
    kind: "attempt",
    client: remote.client,
    first: remote.next,
    ids: [],
    attempt: remote.attempt,
    notBefore: remote.notBefore,
    ...changes,
  });

  /** What the answer asks for beyond decisions, if it is still about the outbox as it is (docs/protocol.md 6.14). */
  function recovery(
    { client, events }: PushRequest,
    { stopped, results }: PushResponse,
  ): { readonly next: "rotate" | "resend"; readonly unacked: readonly string[] } | undefined {
    const gap = stopped?.code === "sequence_gap";
    if (!gap && stopped?.code !== "client_conflict") return undefined;
    const first = events[results.length];
    if (first === undefined || client !== remote.client) return undefined;
    const isOpen = findOpen([first.id]).has(first.id) && !remote.acked.has(first.id);
    if (!isOpen || remote.numberOf(first.id) !== first.seq) return undefined;
    const expected = gap ? stopped.expected : undefined;
    const unacked =
      expected === undefined ? [] : ackedFrom(replica, (id) => remote.numberOf(id) === expected);
    return unacked.length > 0 ? { next: "resend", unacked } : { next: "rotate", unacked: [] };
  }

  return {
    look() {
      const { cursor, pos, epoch } = remote.place;
      const { attempt, notBefore, version } = remote;
      const key = [version, replica.position(), replica.overlay.length, replica.byServer()].join();
      if (looked?.key !== key) looked = { key, undecided: countWaiting(replica) };
      const isBlocked = !replica.byServer() && !isUndecided(follower);
      return {
        undecided: looked.undecided,
        unseen: remote.acked.size,
        cursor,
        pos,
        epoch,
        notBefore,
        attempt,
        blocked: isBlocked ? "adoption" : null,
      };
    },

    attempt: (limits) =>
      leading(async (): Promise<Attempted> => {
        const local = withoutServer(replica);
        if (local !== undefined) {
          const { tail: _, ...body } = local;
          const appended = await lead.append([{ kind: "base", ...body }]);
          if (appended !== "written" || !replica.mayDecide()) return unsent(appended);
        }
        const batch = nextBatch(definition, replica, limits);
        if (batch === undefined) return { tag: "nothing" };
        if ("oversize" in batch) return { tag: "oversize", ids: batch.oversize };
        const { events, tail } = batch;
        const record = note({
          first: events[0]?.seq ?? remote.next,
          ids: events.map(({ id }) => id),
          attempt: remote.attempt + 1,
        });
        const { client, place } = remote;
        const appended = await lead.append([record], tail);
        if (appended !== "written") return unsent(appended);
        const request: PushRequest = { client, schema: definition.schema, events: [...events] };
        sentAt.set(request, place.pos);
        return { tag: "send", request };
      }).then((result): Attempted => (typeof result === "object" ? result : unsent(result))),

    answered: (request, answer) =>
      leading(async () => {
        const open = findOpen(request.events.map(({ id }) => id));
        const from = sentAt.get(request) ?? remote.place.pos;
        // A log that passed the position without the event is not the one that the answer is about.
        const isPassed = (pos: number): boolean => pos > from && pos <= remote.place.pos;
        const decided: string[] = [];
        const duplicates: string[] = [];
        const acked: Ack[] = [];
        const rejected: RejectedEvent[] = [];
        for (const [at, result] of answer.results.entries()) {
          const { id } = result;
          if (request.events[at]?.id !== id) break;
          const event = open.get(id);
          if (event === undefined || remote.acked.has(id)) continue;
          if (result.status === "rejected") {
            decided.push(id);
            rejected.push(refusal(event, result.error));
          } else if (result.pos === undefined) {
            decided.push(id);
            duplicates.push(id);
          } else if (request.client === remote.client && !isPassed(result.pos))
            acked.push(
              result.status === "accepted" ? [id, result.pos] : [id, result.pos, result.of],
            );
        }
        const asked = recovery(request, answer);
        if (decided.length + acked.length === 0 && asked === undefined) return "nothing";
        const body = deciding(replica, decided, {
          rejected,
          ...some("duplicates", duplicates),
          ...some("acked", acked),
          ...some("unacked", asked?.unacked ?? []),
          answered: true,
        });
        const appended = done(await lead.append([body]));
        return appended === "done" ? (asked?.next ?? "done") : appended;
      }),

    failed: (notBefore) => leading(async () => done(await lead.append([note({ notBefore })]))),

    refuse: (ids, error) =>
      leading(async () => {
        const wanted = new Set(ids);
        const units = replica.overlay.filter(
          ({ unit, position }) => position !== null && unit.some(({ id }) => wanted.has(id)),
        );
        const rejected = units.flatMap(({ unit }) =>
          unit
            .filter(({ id }) => !remote.isDecided(id) && !remote.acked.has(id))
            .map((event) =>
              wanted.has(event.id)
                ? refusal(event, error)
                : refusal(event, { ...error, code: "tx_aborted", data: undefined }),
            ),
        );
        if (rejected.length === 0) return "nothing";
        const decided = rejected.map(({ event }) => event.id);
        return done(await lead.append([deciding(replica, decided, { rejected })]));
      }),

    rotate: () =>
      leading(async () => {
        const client = shared.randomName();
        return done(await lead.append([note({ client, first: 1 })]));
      }),

    pulled: (page) => leading(() => mover.apply(page)),

    reset: (snapshot) => leading(() => mover.reset(snapshot)),

    adopt: () =>
      lead.alone(async () => {
        await follower.caughtUp();
        const run = shared.server?.adopt;
        if (shared.term === undefined || replica.byServer() || run === undefined) return "nothing";
        for (let next = nextBase(replica); next !== undefined; next = nextBase(replica)) {
          const { tail, ...body } = next;
          const appended = await lead.append([{ kind: "base", ...body }], tail);
          if (appended !== "written" || !replica.mayDecide()) return done(appended);
        }
        // What may still be replaced, or was logged meanwhile, is decided first.
        if (replica.logged() > 0) return "nothing";
        const tables = Object.fromEntries(
          Array.from(replica.tables.values(), (table) => [
            table.name,
            Object.freeze(Array.from(replica.baseRows(table))),
          ]),
        );
        const now = environment.clock.now();
        const createId = createIdMaker(
          () => now,
          (count) => environment.random.bytes(count),
        );
        let events: readonly Envelope[];
        try {
          const given: unknown = run(Object.freeze(tables));
          // Of a promise `Array.from` makes nothing: all rows would go, and nothing would come in their place.
          if (!Array.isArray(given))
            throw new Error(`Expected adopt to return events, got ${show(given)}`);
          events = given.flatMap((it: unknown) => toUnit(definition, it, createId, now));
        } catch (error) {
          return { incompatible: String(error), before: 0 };
        }
        const position = replica.position();
        const changes = Array.from(replica.tables.values()).flatMap((table) =>
          Array.from(replica.baseRows(table), ({ id }): RowImage => [table.name, id, null, 0]),
        );
        // The events first: on top of the rows that they are made of, so that nobody sees a base without either.
        const bodies: Body[] = [
          ...(events.length === 0 ? [] : [{ kind: "commit" as const, events }]),
          { ...turnToServer(replica), settled: { position, index: 0 }, changes },
        ];
        return done(await lead.append(bodies, position));
      }),
  };
}
