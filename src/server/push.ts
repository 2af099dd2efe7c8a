/** `POST {space}/push`: events of a client come in, a decision on each goes out. */
import * as v from "valibot";
import {
  type EventResult,
  type PushRequest,
  type Rejection,
  type WireAction,
  type WireError,
  decodePushRequest,
  headers,
  isSpace,
  parseJson,
  pushEventSchema,
} from "../protocol/index.ts";
import { SyncError } from "../errors.ts";
import { show } from "../model/json.ts";
import { describe, readBody } from "./body.ts";
import { type Accepted, type Client, type Decided, type Rules, decide, stopOf } from "./decide.ts";
import { Failure, HookFailure } from "./failure.ts";
import { type Kit, type Visit } from "./kit.ts";
import { type Principal } from "./options.ts";
import { type Prepared, prepare } from "./prepare.ts";
import { asRead, isPrincipalId } from "./readable.ts";
import { type State } from "./state.ts";
import { type Decision, type PushFound } from "./storage.ts";

/** Refuses clients whose app is too old or too new for this server. */
export function checkSchema(kit: Kit, request: Request, said?: number): void {
  const given = said ?? request.headers.get(headers.schema);
  if (given === null) return;
  const version = Number(given);
  if (!Number.isSafeInteger(version) || version < 1)
    throw new Failure("bad_request", { message: `Expected ${headers.schema} to be a version` });
  const { min, max } = kit.schema;
  if (version < min || version > max)
    throw new Failure("schema_unsupported", { supported: kit.schema });
}

/** The entry that readers get, as JSON: made once, the same for ever. */
function entryText(
  { deliver }: Kit,
  { event, pos, ts, actions }: Accepted,
  by: string | undefined,
  client?: string,
): string {
  const { id, seq, name, payload, at, tx } = event;
  const what = deliver === "actions" ? {} : { name, v: event.v, payload };
  const whose = client === undefined ? {} : { client, seq };
  return JSON.stringify({ pos, id, ...whose, ...what, actions, at, ts, by, tx });
}

/** Whose events are decided, and where. */
type Where = Pick<Visit, "space"> & {
  /** Nobody: the server's own events, which need no permission. */
  readonly principal?: Principal;
  readonly by: string | undefined;
};

interface Batch {
  readonly client?: Client;
  readonly events: readonly Prepared[];
}

/** The rules of the app, for one batch. */
function rulesFor(
  kit: Kit,
  { space, principal, by }: Where,
  client: string | undefined,
  state: () => Promise<State>,
): Rules<unknown> & {
  /** Nothing more is decided. Tells whether the state has run all that was accepted. */
  finish(): boolean;
} {
  const { options, bugs, states, deliver } = kit;
  // From its turn on: who waits until others have written, or for a slow sender, takes no time from the hooks.
  const deadline = kit.deadline();
  let run: State | undefined;
  /** Accepted before somebody asked for rows. */
  const waiting: (readonly Prepared[])[] = [];
  /** Of the unit that is being decided: run for who reads, and undone before the unit is run as a whole. */
  const ahead: (() => void)[] = [];
  function stepBack(to = 0): void {
    for (const undo of ahead.splice(to).toReversed()) undo();
  }
  /** The rows as of the entry before. */
  async function rowsAfter(open: readonly Prepared[]): Promise<State> {
    run ??= await state();
    for (const unit of waiting.splice(0)) states?.run(run, unit);
    for (const event of open.slice(ahead.length))
      ahead.push(states?.tryOut(run, event) ?? (() => undefined));
    return run;
  }
  return {
    bugs,
    async judge({ id, name, current, at }, { tx }, open): Promise<Decision | undefined> {
      if (open.length < ahead.length) stepBack(open.length);
      if (deliver !== "events") run ??= await state();
      if (options.authorize === undefined || principal === undefined) return undefined;
      const read = async (table: string, row: string): Promise<{ id: string } | undefined> =>
        (await rowsAfter(open)).tables.get(table)?.rows.get(row);
      const event = { id, name, payload: current, at };
      const verdict = await deadline.call("authorize", () =>
        options.authorize?.({ event, principal, space, read, tx } as never),
      );
      if (verdict === true) return undefined;
      const { code, message, data } = verdict ?? {};
      if (code !== "forbidden" && code !== "conflict" && code !== "app")
        throw new HookFailure("authorize", "unavailable", "neither true nor a refusal");
      const error = asRead({ code, message, data }, 1);
      if ("issue" in error || typeof (message ?? "") !== "string")
        throw new HookFailure("authorize", "unavailable", "a refusal that is not JSON");
      return { status: "rejected", error: error.value as Rejection };
    },
    materialize(unit): readonly (readonly WireAction[] | undefined)[] | undefined {
      stepBack();
      const actions = run === undefined ? undefined : states?.run(run, unit);
      if (deliver !== "events" && run !== undefined) return actions;
      // A unit that does not apply has no effect, here as on every device.
      if (run === undefined && options.authorize !== undefined) waiting.push(unit);
      return unit.map(() => undefined);
    },
    finish() {
      stepBack();
      return run !== undefined;
    },
    entry: (accepted) => entryText(kit, accepted, by, client),
    report: (error) => kit.report(error, "push"),
    async apply(accepted, { tx }, before) {
      const entry = (): never => JSON.parse(entryText(kit, accepted, by, client)) as never;
      if (options.apply !== undefined)
        await deadline.call("apply", () => options.apply?.(tx, entry(), space), before);
    },
  };
}

/** Decides a batch and stores what was decided. */
async function decideBatch(kit: Kit, where: Where, { client, events }: Batch): Promise<Decided> {
  const { options, states, bugs, clock } = kit;
  const { space } = where;
  const ids = events.map(({ id }) => (bugs.has("no-id-unique") ? `${client?.id}/${id}` : id));
  const want = {
    ...(client && { client: client.id }),
    ids,
    keys: events.flatMap(({ key }) => (key === undefined ? [] : [key])),
    writes: options.apply !== undefined,
  };
  let decided: Decided | undefined;
  let hasRun = false;
  const run = async (): Promise<void> => {
    try {
      await options.storage.push(space, want, async (found: PushFound<unknown>) => {
        if (found.client !== undefined && found.client.owner !== client?.owner)
          throw new Failure("forbidden", { message: "Expected a client of this principal" });
        const state = (): Promise<State> => {
          if (states === undefined)
            throw new HookFailure(
              "authorize",
              "unavailable",
              "read needs tables and materializers",
            );
          return states.at(space, found.space);
        };
        const rules = rulesFor(kit, where, client?.id, state);
        decided = await decide(client, events, found, clock.now(), rules);
        hasRun = rules.finish();
        return decided.write;
      });
    } catch (error) {
      states?.drop(space);
      throw error;
    }
    const last = decided?.write.rows.at(-1);
    if (last !== undefined && hasRun) states?.moved(space, last.pos, last.hash);
  };
  await (kit.needsRows ? states?.lock(space, run) : run());
  if (decided === undefined) throw new Error("Expected the storage to decide");
  return decided;
}

/** A batch whose end a hook refused to look at: what came before is decided by itself. */
async function decidePrefix(kit: Kit, where: Where, batch: Batch): Promise<Decided> {
  try {
    return await decideBatch(kit, where, batch);
  } catch (error) {
    const before = error instanceof HookFailure ? error.before : undefined;
    const stopped = stopOf(error);
    if (before === undefined || before === 0 || stopped === undefined) throw error;
    kit.report(error, "push");
    const decided = await decidePrefix(kit, where, {
      ...batch,
      events: batch.events.slice(0, before),
    });
    return { ...decided, stopped: decided.stopped ?? stopped };
  }
}

function decodeRequest(kit: Kit, value: unknown): PushRequest {
  const decoded = decodePushRequest(value);
  if ("issue" in decoded) throw new Failure("bad_request", { message: describe(decoded.issue) });
  return decoded.value;
}

export interface PushAnswer {
  readonly epoch: string;
  readonly head: number;
  readonly results: readonly EventResult[];
  readonly stopped?: WireError;
}

const accepted = (results: readonly EventResult[]): number =>
  results.filter(({ status }) => status === "accepted").length;

export async function handlePush(kit: Kit, visit: Visit): Promise<Response> {
  const { limits, definition, schema } = kit;
  const { request, space, principal, notes } = visit;
  const sent = readBody(request, { bytes: limits.bodyBytes });
  const { value, size } = await kit.closing.receive(sent);
  const body = decodeRequest(kit, value);
  checkSchema(kit, request, body.schema);
  if (body.events.length > limits.batchEvents)
    throw new Failure("too_large", { limits: { batchEvents: limits.batchEvents } });
  const retryAfter = kit.rate.take(`${principal.id}\n${space}`, body.events.length);
  if (retryAfter !== undefined) throw new Failure("rate_limited", { retryAfter });
  const preparing = { definition, schema, size, eventBytes: limits.eventBytes };
  const events = body.events.map((event) => prepare(event, preparing));
  const client = { id: body.client, owner: principal.id };
  const where = { space, principal, by: principal.id };
  const { epoch, head, results, stopped } = await decidePrefix(kit, where, { client, events });
  notes.events = events.length;
  notes.accepted = accepted(results);
  const answer: PushAnswer = { epoch, head, results, ...(stopped && { stopped }) };
  const isConflict = stopped?.code === "client_conflict" || stopped?.code === "sequence_gap";
  if (stopped !== undefined) notes.code = stopped.code;
  return Response.json(answer, { status: isConflict ? 409 : 200 });
}

/** An event that the server makes itself: at a time, or when it is told of something. */
export interface OwnEvent {
  readonly name: string;
  readonly payload: unknown;
  /** 8 to 64 letters, digits, `_` or `-`. The same id again is the same event: it has an effect once. Default: a random one. */
  readonly id?: string;
  /** ms since the epoch. Default: now. */
  readonly at?: number;
}

/** Why an event of the server's own cannot be in a log: what others send is held to the same. */
function whyNot(event: object, { refused }: Prepared): string | undefined {
  if (refused !== undefined) return refused.message ?? refused.code;
  const shape = v.safeParse(pushEventSchema, event);
  if (!shape.success) return `${v.getDotPath(shape.issues[0])}: ${shape.issues[0].message}`;
  const parsed = parseJson(JSON.stringify(event));
  return "issue" in parsed ? describe(parsed.issue) : undefined;
}

/** Appends events as one commit. */
export async function append(
  kit: Kit,
  space: string,
  list: readonly OwnEvent[],
  by: string | undefined,
): Promise<readonly EventResult[]> {
  const { definition, schema, limits, clock } = kit;
  if (!isSpace(space) || !(by === undefined || isPrincipalId(by)))
    throw new SyncError(
      "config",
      `Expected the name of a space and of an author, got ${show(space)} and ${show(by)}`,
    );
  const tx = list.length > 1 ? { tx: kit.newId() } : {};
  const preparing = { definition, schema, size: Infinity, eventBytes: limits.eventBytes };
  const events = list.map(({ name, payload, id = kit.newId(), at = clock.now() }) => {
    const version = definition.events.get(name)?.version ?? 1;
    const event = { id, seq: 1, name, v: version, payload, at, ...tx };
    const prepared = prepare(event, preparing);
    const wrong = whyNot(event, prepared);
    if (wrong === undefined) return prepared;
    const code = prepared.refused?.code === "unknown_event" ? "unknown_event" : "invalid_payload";
    throw new SyncError(code, `Expected a valid "${name}", got: ${wrong}`);
  });
  const where = { space, by };
  return (await decideBatch(kit, where, { events })).results;
}
