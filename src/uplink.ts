/**
 * The server as this tab knows it: what its machine sees of the page when it leads, what the leader says when it does not, and
 * what the status makes of either.
 */
import { type ActorRefFrom, type SnapshotFrom } from "xstate";
import { type SyncStatus } from "./api.ts";
import { nowhere } from "./authority.ts";
import { SyncError } from "./errors.ts";
import { initial, type ServerView } from "./machines/progress.ts";
import { type replicationMachine } from "./machines/replication.ts";
import { sizeOfJson } from "./model/json.ts";
import { type Envelope } from "./model/log.ts";
import { type ServerNews } from "./model/messages.ts";
import { type Outlook, type Replicator } from "./replicator.ts";
import { type Environment } from "./services/ports.ts";
import { type ServerSettings } from "./settings.ts";

type Snapshot = SnapshotFrom<typeof replicationMachine>;

/** What the status says of the server. */
export interface SyncFacts extends Omit<ServerNews, "limits" | "sync"> {
  readonly sync: SyncStatus["sync"];
}

/** How long a poke of a follower says that somebody looks, ms; and how often followers poke. */
const lookLasts = 60_000;
const pokeEvery = 30_000;

/** Where nothing is known yet. */
export const noOutlook: Outlook = {
  ...nowhere,
  undecided: 0,
  unseen: 0,
  notBefore: 0,
  attempt: 0,
  blocked: null,
};
const off: SyncFacts = { sync: "off", syncedAt: null };

const refuse = (what: string, most: number, got: number): never => {
  throw new SyncError("too_large", `Expected ${what} of at most ${most}, got ${got}`);
};

/** What the machine does, in one word. */
function wordOf(snapshot: Snapshot): ServerNews["sync"] {
  const { context, children } = snapshot;
  const is = (...names: readonly string[]): boolean =>
    names.some((name) => snapshot.matches({ on: name } as never));
  if (is("denied", "refreshing") && context.why !== undefined)
    return context.why.code === "forbidden" ? "forbidden" : "unauthorized";
  if (is("incompatible")) return "incompatible";
  if (is("offline")) return "offline";
  if (is("backoff", "faulted")) return "backoff";
  if (is("pushing", "rotating")) return "pushing";
  if (is("pulling", "resetting", "adopting")) return "pulling";
  if (is("refreshing")) return context.asked === "push" ? "pushing" : "pulling";
  return children.live?.getSnapshot().matches({ wire: { streaming: "open" } }) === true
    ? "live"
    : "idle";
}

const isHindered = (word: ServerNews["sync"]): boolean =>
  word === "unauthorized" || word === "forbidden" || word === "incompatible";

export interface UplinkOptions {
  readonly server: ServerSettings | undefined;
  readonly schema: number;
  readonly environment: Environment;
  replicator(): Replicator | undefined;
  machine(): ActorRefFrom<typeof replicationMachine> | undefined;
  /** Asks the leader to look. */
  poke(): void;
  /** Tells the others what `news` gives. */
  tell(): void;
}

export function createUplink(options: UplinkOptions) {
  const { server, environment } = options;
  const { clock, lifecycle, random } = environment;
  let pokedAt = -Infinity;
  /** As the leader says. */
  let heard: ServerNews | undefined;
  let { limits }: Pick<ServerNews, "limits"> = initial;
  let told: ServerNews["sync"] | undefined;
  let timer: unknown;
  let growing = false;

  const view: ServerView = {
    configured: server !== undefined,
    live: server?.live ?? "none",
    schema: options.schema,
    adopts: server?.adopt !== undefined,
    look: () => options.replicator()?.look() ?? noOutlook,
    now: () => clock.now(),
    chance: () => (random.bytes(1)[0] ?? 0) / 256,
    online: () => lifecycle.online(),
    watched: () => lifecycle.visible() || clock.now() - pokedAt < lookLasts,
  };

  /** Of the machine, when this tab leads. */
  function leading(): Snapshot | undefined {
    const snapshot = server === undefined ? undefined : options.machine()?.getSnapshot();
    return snapshot?.matches("on") === true ? snapshot : undefined;
  }

  function news(): ServerNews | undefined {
    const snapshot = leading();
    if (snapshot === undefined) return undefined;
    const { why, syncedAt, limits: own } = snapshot.context;
    limits = own;
    const sync = wordOf(snapshot);
    const hindrance =
      isHindered(sync) && why !== undefined
        ? { fault: why.code, message: why.message.slice(0, 1000) }
        : {};
    return { sync, syncedAt, limits, ...hindrance };
  }

  /** The machine moved: followers hear of it with the next heartbeat, and at once where it matters to a person. */
  function moved(): void {
    const sync = news()?.sync;
    if (sync === told || sync === "pushing" || sync === "pulling") return;
    told = sync;
    if (sync !== undefined) options.tell();
  }

  function pokeOn(): void {
    if (lifecycle.visible() && leading() === undefined) options.poke();
    timer = clock.setTimeout(pokeOn, pokeEvery);
  }

  return {
    view,
    news,
    /** `isHeard`: the leader, whose word it is in other tabs. */
    facts: (isHeard: boolean): SyncFacts => news() ?? (isHeard ? heard : undefined) ?? off,
    poked(): void {
      pokedAt = clock.now();
    },
    hear(from: ServerNews | undefined): void {
      heard = from;
      if (from !== undefined) ({ limits } = from);
    },
    /** Later: it may be told from inside of a machine's action. One event for all commits of a moment. */
    grew(): void {
      if (growing || leading()?.matches({ on: "idle" }) !== true) return;
      growing = true;
      queueMicrotask(() => {
        growing = false;
        options.machine()?.send({ type: "log.grew" });
      });
    },
    /** Throws `too_large` when the server would never take a commit. */
    check(unit: readonly Envelope[]): void {
      if (server === undefined) return;
      const { events, eventBytes, bytes } = limits;
      if (unit.length > events) refuse("a number of events", events, unit.length);
      let sum = 0;
      for (const event of unit) {
        // On the wire it has a number as well.
        const size = sizeOfJson(event) + 32;
        sum += size;
        if (size > eventBytes) refuse(`an event "${event.name}" with a size`, eventBytes, size);
      }
      if (sum > bytes) refuse("events with a size", bytes, sum);
    },
    /** Returns the function that ends it. */
    start(): () => void {
      if (server === undefined) return () => undefined;
      timer = clock.setTimeout(pokeOn, pokeEvery);
      const moves = options.machine()?.subscribe({ next: moved, error: () => undefined });
      return () => {
        clock.clearTimeout(timer);
        moves?.unsubscribe();
      };
    },
  };
}
