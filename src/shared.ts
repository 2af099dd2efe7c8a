/** What the services of one tab share, and what each of them may ask of it. */
import { type QuarantineEntry, type SyncExport } from "./api.ts";
import { type Follower } from "./follower.ts";
import { createBaseIndex } from "./model/base-index.ts";
import { type Damage } from "./model/admit.ts";
import { type Definition } from "./model/definition.ts";
import { type Pipeline } from "./pipeline.ts";
import {
  type Connection,
  type Durability,
  type Environment,
  StorageFailure,
  type StoragePort,
} from "./services/ports.ts";
import { type Replicator } from "./replicator.ts";
import { type Picture, type ReadOutcome, type ReaderOptions, readDisk } from "./services/reader.ts";
import { type ServerSettings } from "./settings.ts";
import { type Tabs } from "./tabs.ts";

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
  /** From now on reads are made record by record: one as a whole failed, and no lost connection explains it. */
  careful: boolean;
  /** The browser found the database damaged when it was opened, and made an empty one. */
  thrownAway: boolean;
  /** The term that this tab claimed; undefined while it does not lead. */
  term: number | undefined;
  /** Why loading failed, for the status. */
  reason: string | undefined;
  /** Damage that memory leaves out, and that storage had no space to keep, by key: no fold before it is kept. */
  readonly unkept: Map<string, Damage>;
  /** What is stored, as it is, when nothing of it was understood. */
  unreadable: SyncExport["unreadable"];
  /** Where a server is configured. */
  readonly server: ServerSettings | undefined;
  replicator: Replicator | undefined;
  readonly randomName: () => string;
  /** Tells the app that data is gone. */
  readonly lost: (rows: number, kept: number, reason: string) => void;
}

/** Who decides in a database that is made now. */
export const authorityOf = ({ server }: Shared): "device" | "server" =>
  server === undefined ? "device" : "server";

export function connected(shared: Shared): Connection {
  if (shared.connection === undefined)
    throw new StorageFailure("lost", "Expected an open connection, got none");
  return shared.connection;
}

/** For writes. The database behind a new connection may be another one than before. */
export function recognised(shared: Shared): Connection {
  const { connection } = shared;
  if (connection !== undefined && connection === shared.recognised) return connection;
  throw new StorageFailure("aborted", "Expected data that was read before, got a new connection");
}

/**
 * What a write on the recognised connection resolves with. An answer that comes when that connection is gone says nothing
 * about the data that there is by then.
 */
export async function answered<Answer>(shared: Shared, asking: Promise<Answer>): Promise<Answer> {
  const asked = shared.recognised;
  const answer = await asking;
  if (asked === shared.recognised) return answer;
  throw new StorageFailure("lost", "Expected an answer in time, got one of a connection before");
}

/**
 * Reads the disk. While there is damage that is not kept the base is read as if nothing of it was known: what is still there
 * is found again, and what is not others have kept, and dealt with.
 */
export async function readShared(
  { definition, tab, follower, unkept }: Shared,
  options: Omit<ReaderOptions, "definition" | "tab" | "index">,
  isAnew = false,
): Promise<ReadOutcome> {
  const before = Array.from(unkept);
  const index = isAnew || before.length > 0 ? createBaseIndex() : follower.index;
  const outcome = await readDisk({ ...options, definition, tab, index });
  if (outcome.tag === "read" && outcome.picture.base !== null) {
    for (const [key, it] of before) if (unkept.get(key) === it) unkept.delete(key);
    for (const it of outcome.picture.damage) unkept.set(it.key, it);
  }
  return outcome;
}

/**
 * Stores damaged pieces with their raw bytes, under keys that say where they were: doing it twice is doing it once. Those that
 * could not be stored before are stored as well.
 */
export async function keepDamage(
  { unkept, environment }: Shared,
  connection: Connection,
  { damage, healed, meta }: Pick<Picture, "damage" | "healed"> & Partial<Pick<Picture, "meta">>,
): Promise<void> {
  for (const it of damage) unkept.set(it.key, it);
  if (unkept.size + healed.length === 0) return;
  const at = environment.clock.now();
  const all = Array.from(unkept.values());
  await connection.quarantine(
    all.map(({ key, ...rest }) => [key, { ...rest, at }]),
    healed,
    meta?.floor,
  );
  for (const it of all) if (unkept.get(it.key) === it) unkept.delete(it.key);
}

/** Quarantined pieces by their place, as stored. */
export function quarantineEntries(picture: Picture, now: number): QuarantineEntry[] {
  const gone = new Set([...picture.healed, ...picture.damage.map(({ key }) => key)]);
  const stored = picture.quarantine.map(([id, value]): QuarantineEntry => {
    const { reason, raw, at, schema } = (
      typeof value === "object" && value !== null ? value : {}
    ) as Partial<QuarantineEntry>;
    return {
      id,
      reason: typeof reason === "string" ? reason : "",
      raw,
      at: typeof at === "number" ? at : now,
      ...(typeof schema === "number" ? { schema } : {}),
    };
  });
  const left = stored.filter(({ id }) => !gone.has(id));
  return [...left, ...picture.damage.map(({ key, ...rest }) => ({ id: key, ...rest, at: now }))];
}
