import { type Fault, type SyncSnapshot, type SyncStatus } from "./api.ts";
import { type SyncFacts } from "./uplink.ts";
import { type TableSchemas } from "./model/definition.ts";

/** What the status is derived from: states of machines, and counts. */
export interface StatusFacts {
  readonly root: SyncSnapshot<TableSchemas>["value"];
  readonly storage: string;
  readonly commit: "flowing" | "delayed" | "full";
  /** Loading takes long. */
  readonly slow: boolean;
  readonly leading: boolean;
  readonly leaderSeen: boolean;
  readonly memoryOnly: boolean;
  readonly pending: number;
  readonly oldestPendingAt: number | null;
  readonly rejected: number;
  readonly quarantined: number;
  readonly behind: number;
  readonly migration: SyncStatus["migration"];
  readonly ignored: number;
  readonly reason: string | undefined;
  /** Why data is gone. */
  readonly lost: string | undefined;
  readonly server: SyncFacts;
  readonly now: number;
}

function storageOf({ root, storage, commit, memoryOnly }: StatusFacts): SyncStatus["storage"] {
  switch (storage) {
    case "open":
      if (commit === "full") return "full";
      return memoryOnly ? "memory" : "open";
    case "blocked":
      return "blocked";
    case "losing":
    case "reopening":
      // A full disk closes connections, at each write.
      return commit === "full" ? "full" : "lost";
    case "unavailable":
    case "hung":
      return "unavailable";
    default:
      // Not for the first time: it was lost.
      if (root === "disconnected") return commit === "full" ? "full" : "lost";
      return "opening";
  }
}

const words: Readonly<Record<Fault["code"], string>> = {
  storage_lost:
    "The connection to this browser's storage was lost. Changes are kept here and stored as soon as it is back.",
  storage_blocked:
    "Another tab with an older version holds the storage. Close the other tabs of this app.",
  storage_full:
    "This device is out of space. Changes that are not stored are in this tab only. Free some space.",
  storage_unavailable:
    "This browser does not let the app store data. The app waits until it does; closing other tabs or freeing space may help.",
  memory_only:
    "This browser does not let the app store data. Changes live in this tab only, and are gone when it is closed.",
  write_delayed:
    "Storing a change takes longer than it should. It is tried again until it is stored.",
  load_delayed:
    "Reading the stored data takes longer than it should. It is tried again until it is read.",
  load_failed: "The stored data could not be read. Nothing was changed.",
  data_lost: "Data that this app had stored on this device is gone.",
  outdated: "A newer version of this app has used this data. Reload the page.",
  unauthorized:
    "The server does not know who this is. Changes are kept here; sign in again to send them.",
  forbidden: "The server does not let this user in. Changes are kept here.",
  incompatible:
    "This version of the app and the server do not understand each other. Changes are kept here; reload the page.",
  adoption_required:
    "This device had data before it had a server, and the app does not say what becomes of it. Nothing is sent.",
};

/** Apart from a refusal: nobody said no, and what helps is another thing. */
const hungWords =
  "This browser does not answer when it is asked for the app's data. The app waits; closing other tabs or restarting the browser may help.";

function faultOf(facts: StatusFacts, storage: SyncStatus["storage"]): Fault["code"] | undefined {
  if (facts.root === "outdated") return "outdated";
  if (facts.root === "failed") return "load_failed";
  if (storage === "blocked") return "storage_blocked";
  if (storage === "memory") return "memory_only";
  if (storage === "unavailable") return "storage_unavailable";
  if (storage === "full") return "storage_full";
  if (storage === "lost") return "storage_lost";
  if (facts.commit === "delayed") return "write_delayed";
  if (facts.slow) return "load_delayed";
  return facts.lost === undefined ? facts.server.fault : "data_lost";
}

function phaseOf({ root, memoryOnly }: StatusFacts): SyncStatus["phase"] {
  if (root === "running") return memoryOnly ? "degraded" : "ready";
  if (root === "stopping") return "ready";
  if (root === "disconnected") return "degraded";
  return root;
}

function roleOf({ leading, leaderSeen }: StatusFacts): SyncStatus["role"] {
  if (leading) return "leader";
  return leaderSeen ? "follower" : "candidate";
}

/** The status that follows from the facts. Gives back `last` when nothing changed. */
export function deriveStatus(facts: StatusFacts, last: SyncStatus | undefined): SyncStatus {
  const storage = storageOf(facts);
  const code = faultOf(facts, storage);
  const message =
    code === undefined
      ? ""
      : [
          storage === "unavailable" && facts.storage === "hung" ? hungWords : words[code],
          code === "data_lost"
            ? facts.lost
            : code === facts.server.fault
              ? facts.server.message
              : facts.reason,
        ]
          .filter(Boolean)
          .join(" ");
  const sameFault = last?.fault?.code === code && (last?.fault?.message ?? "") === message;
  const next: SyncStatus = {
    phase: phaseOf(facts),
    role: roleOf(facts),
    storage,
    sync: facts.root === "stopped" ? "off" : facts.server.sync,
    pending: facts.pending,
    oldestPendingAt: facts.oldestPendingAt,
    rejected: facts.rejected,
    quarantined: facts.quarantined,
    behind: facts.behind,
    migration: facts.migration,
    lastSyncedAt: facts.server.syncedAt,
    ignored: facts.ignored,
    fault:
      code === undefined
        ? null
        : sameFault
          ? (last?.fault ?? null)
          : Object.freeze({ code, message, at: facts.now }),
  };
  const keys = Object.keys(next) as (keyof SyncStatus)[];
  if (last !== undefined && keys.every((key) => last[key] === next[key])) return last;
  return Object.freeze(next);
}
