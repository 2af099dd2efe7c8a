/** What the endpoints of one server share: its options with their defaults, and what it has in memory. */
import {
  type Definition,
  type EventDefinitions,
  type TableSchemas,
  compile,
} from "../model/definition.ts";
import { defaultLimits, fixedLimits } from "../protocol/index.ts";
import { type RandomPort } from "../services/ports.ts";
import { systemClock } from "../services/system-clock.ts";
import { systemRandom } from "../services/system-random.ts";
import { SyncError } from "../errors.ts";
import { type Bugs } from "./bugs.ts";
import { type Closing, createClosing } from "./closing.ts";
import { type Clock, type Deadline, createDeadline } from "./hooks.ts";
import { type Hub, createHub } from "./hub.ts";
import { base64url } from "./hash.ts";
import {
  type Principal,
  type RequestReport,
  type ServerLimits,
  type SyncServerOptions,
} from "./options.ts";
import { type RateLimiter, createRateLimiter } from "./rate.ts";
import { type States, createStates } from "./state.ts";

/** Options with the app's types left out: inside, payloads and rows are JSON that was checked. */
export type AnyOptions = SyncServerOptions<Principal, TableSchemas, EventDefinitions, unknown>;

export interface Kit {
  readonly options: AnyOptions;
  readonly definition: Definition;
  readonly limits: ServerLimits;
  readonly schema: { readonly min: number; readonly max: number };
  readonly deliver: "events" | "actions" | "both";
  readonly retention: { readonly logDays: number; readonly dedupeDays: number };
  /** Rows in memory, where the server can compute them. */
  readonly states: States | undefined;
  /** Whether a push needs rows: then pushes to one space wait for each other from beginning to end. */
  readonly needsRows: boolean;
  readonly clock: Clock;
  readonly random: RandomPort;
  readonly hub: Hub;
  readonly rate: RateLimiter;
  readonly bugs: Bugs;
  /** Whether the server is about to go: nobody is kept waiting. */
  readonly closing: Closing;
  deadline(): Deadline;
  /** A random id. */
  newId(): string;
  /** 0 ≤ n < 1. */
  chance(): number;
  report(error: unknown, where: string): void;
}

/** A request that got through the door. */
export interface Visit {
  readonly request: Request;
  readonly url: URL;
  readonly space: string;
  readonly principal: Principal;
  readonly deadline: Deadline;
  /** For the log. */
  readonly notes: { -readonly [K in keyof RequestReport]?: RequestReport[K] };
}

const nothing = (): readonly [] => [];

/** The definitions, checked by the rules that the client's are checked by. */
function define({ events, tables, materializers }: AnyOptions): Definition {
  if ((tables === undefined) !== (materializers === undefined))
    throw new SyncError("config", "Expected tables and materializers together, got one of them");
  const names = Object.keys(events);
  const all = materializers ?? Object.fromEntries(names.map((name) => [name, nothing]));
  return compile({ tables: tables ?? {}, events, materializers: all }, false);
}

/** Times are whole ms on the wire, whatever a clock gives. */
const inWholeMs = (clock: Clock): Clock => ({
  now: () => Math.floor(clock.now()),
  setTimeout: (task, ms) => clock.setTimeout(task, ms),
  clearTimeout: (timer) => clock.clearTimeout(timer),
});

export function createKit(options: AnyOptions, bugs: Bugs): Kit {
  const definition = define(options);
  const { materializers, deliver = "events", random = systemRandom } = options;
  const clock = inWholeMs(options.clock ?? systemClock);
  const limits: ServerLimits = {
    ...defaultLimits,
    streams: 100,
    eventsPerMinute: Infinity,
    requestMs: fixedLimits.requestMs,
    heartbeatMs: fixedLimits.heartbeatMs,
    streamMs: 5 * 60_000,
    ...options.limits,
  };
  if (deliver !== "events" && materializers === undefined)
    throw new SyncError("config", `Expected materializers with deliver "${deliver}", got none`);
  const retention = { logDays: 30, dedupeDays: 400, ...options.retention };
  if (retention.dedupeDays < retention.logDays)
    throw new SyncError(
      "config",
      `Expected retention.dedupeDays to be ${retention.logDays} or more, got ${retention.dedupeDays}`,
    );
  const report = (error: unknown, where: string): void => {
    if (options.onError === undefined) console.error(`sssync: ${where}`, error);
    else options.onError(error, where);
  };
  const chance = (): number => new DataView(random.bytes(4).slice().buffer).getUint32(0) / 2 ** 32;
  const states =
    materializers === undefined ? undefined : createStates(definition, options.storage, report);
  return {
    options,
    definition,
    limits,
    schema: options.schema ?? { min: 1, max: Number.MAX_SAFE_INTEGER },
    deliver,
    retention,
    states,
    needsRows: states !== undefined && (deliver !== "events" || options.authorize !== undefined),
    clock,
    random,
    hub: createHub(),
    rate: createRateLimiter(clock, limits.eventsPerMinute),
    bugs,
    closing: createClosing(clock, chance),
    deadline: () => createDeadline(clock, limits.requestMs),
    newId: () => base64url(random.bytes(12)),
    chance,
    report,
  };
}
