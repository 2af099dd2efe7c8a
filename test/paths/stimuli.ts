/**
 * What a generated path can do to a tab and what it can see of it, for any place that tabs can live in. Everything takes its
 * time, and everything that is read is plain data, so that the tab may be in another process. Nobody sends an event to a
 * machine: a stimulus happens to a port, to the page, or calls the public API.
 */
import { type SyncStatus } from "../../src/index.ts";
import { type ErrorCode, type LiveEvent } from "../../src/protocol/index.ts";
import { type FaultKind } from "../../src/testing/index.ts";
import { type Operation } from "../../src/testing/faults.ts";

/** How the tab's engine is made. The app is that of `test/support/todos.ts`. */
export interface OpenOptions {
  readonly storage?: "required" | "memory-if-unavailable";
  readonly whenFull?: "keep" | "reject";
  /** A page without Web Locks. */
  readonly noLocks?: boolean;
  /** A page without BroadcastChannel. */
  readonly noChannel?: boolean;
  /** An older version of the app left so many segments, of one row each, which this one has to write anew. */
  readonly older?: number;
  /** The version of its data's schema. Default 1. */
  readonly version?: 2;
  /** There is a sync server. How its news come. */
  readonly live?: boolean | "poll";
  /** The data was the device's own before there was a server; `adopts`: the app says what becomes of it. */
  readonly local?: "adopts" | "stays";
  /** The app gives tokens. */
  readonly auth?: boolean;
}

/** One commit of the tab, as its receipt tells of it. */
export interface CommitReading {
  /** Of the row that it makes. */
  readonly id: string;
  /** `pending`, `resolved`, or the code of the error. */
  readonly durable: string;
  /** Or `rejected`. */
  readonly settled: string;
}

/** What the public side, the disk and the other tabs see. */
export interface Reading {
  /** Null when there is no engine. */
  readonly status: SyncStatus | null;
  /** State of the snapshot. */
  readonly value: string | null;
  /** `pending`, `resolved`, or the code of the error. */
  readonly ready: string;
  /** `open` where a commit passes, or the code that it throws. */
  readonly gate: string;
  readonly rows: readonly { readonly id: string; readonly text: string; readonly done: boolean }[];
  readonly commits: readonly CommitReading[];
  /** Changes of rows, by the ids of those. */
  readonly changes: readonly CommitReading[];
  /** Who holds the leader's lock. */
  readonly lock: "tab" | "rival" | "nobody";
  /** The tab is in the queue for it. */
  readonly queues: boolean;
  /** What is in quarantine, by its ids. */
  readonly quarantine: readonly string[];
  /** The codes of what was refused. */
  readonly rejected: readonly string[];
  /** Ids of rows that commits in the log make. */
  readonly logged: readonly string[];
  /** How many other tabs came, added a row each, `work-1` and so on, and went. */
  readonly works: number;
  /** The term in the database. */
  readonly term: number;
  /** Connections to the database that the tab holds open. */
  readonly connections: number;
  /** Operations of storage that the tab asked for since the last reading, in order. */
  readonly asked: readonly Operation[];
  /** Kinds of messages that the tab sent since the last reading, in order. */
  readonly posted: readonly string[];
  /** Requests that the tab sent since the last reading, in order. */
  readonly requested: readonly RequestKind[];
  /** The server's log: ids of the rows that its events make, or the name of one that makes none. */
  readonly onServer: readonly string[];
}

/** The tab's disk. */
export interface DiskStimuli {
  /** Operations of this kind wait from now on. */
  hold(operation: Operation): Promise<void>;
  /** The next operation of this kind waits, and those after it do not. */
  holdNext(operation: Operation): Promise<void>;
  /** Those that wait go on, or fail like this; later ones do not wait. */
  release(operation: Operation, how?: FaultKind): Promise<void>;
  /** Those that wait go on, or fail like this; later ones wait again. */
  answer(operation: Operation, how?: FaultKind): Promise<void>;
  /** The one that waits for longest goes on, or fails like this. */
  answerFirst(operation: Operation, how?: FaultKind): Promise<void>;
  /** The one that was asked for at this place, 1 for the first of its kind, goes on or fails like this. */
  answerNo(operation: Operation, no: number, how?: FaultKind): Promise<void>;
  /** The one that was asked for last goes on. */
  answerLast(operation: Operation): Promise<void>;
  /** What those that wait do is done, and they go on waiting: for their answer. */
  take(operation: Operation): Promise<void>;
  /** The next operation of this kind fails like this. */
  failNext(operation: Operation, how: FaultKind): Promise<void>;
  /** The next call for this operation throws at once: a bug of the browser, or of ours. */
  breakNext(operation: Operation): Promise<void>;
  /** The next closing of a connection throws. */
  breakClose(): Promise<void>;
  /** The connection is closed by force. */
  close(): Promise<void>;
  /** Another page deletes the database. */
  remove(): Promise<void>;
  /** Another page upgrades the database. */
  upgrade(): Promise<void>;
  /** Opening is blocked, as another page has an older connection, until `unblock`. */
  block(): Promise<void>;
  unblock(how?: FaultKind): Promise<void>;
  /** There is something that can be fetched again, and goes when there is no space. */
  putQuery(): Promise<void>;
  /** No space from now on, or again. */
  full(isSo: boolean): Promise<void>;
}

/** What becomes of what is stored, past every engine. */
export interface DamageStimuli {
  /** A record in the log is no record. */
  record(): Promise<void>;
  /** What says what the rest is does not say it. */
  meta(): Promise<void>;
  /** Nothing that is stored is understood. */
  everything(): Promise<void>;
  /** It is of an older version of the app, or of a newer one. */
  older(): Promise<void>;
  newer(): Promise<void>;
}

/** The lock port, and whoever else wants the lock. */
export interface LockStimuli {
  /** A rival asks for the lock: it waits behind whoever asked before. */
  rivalAsks(): Promise<void>;
  /** The rival lets the lock go, or leaves the queue. */
  rivalLeaves(): Promise<void>;
  /** The rival takes the lock from its holder. */
  rivalSteals(): Promise<void>;
  /** The browser tells the tab nothing about locks, until `tell`. */
  hush(): Promise<void>;
  tell(): Promise<void>;
  /** The request of the tab that waits is refused. */
  refuse(): Promise<void>;
  /** The next call of the port throws at once. */
  breakNext(): Promise<void>;
}

/** What the tab tells others. */
export interface ChannelStimuli {
  /** The next message cannot be sent: the port throws. */
  breakNext(): Promise<void>;
}

/** Messages of a rival. Its data is the same. */
export interface RivalStimuli {
  /** It shows itself as the leader: of the term that is stored, or of a later one. */
  beats(later?: boolean): Promise<void>;
  /** It leads from now on, as the database says: the term there is a later one. */
  claims(): Promise<void>;
  /** It says something with a newer schema. */
  isNewer(): Promise<void>;
  /** It commits a todo with so long a text. */
  commits(length: number): Promise<void>;
  /** It asks the leader to look at the server. */
  pokes(): Promise<void>;
  /** One more tab comes, adds a row as the leader, and goes; after it has folded, where that is said. It tells nobody. */
  works(folds?: boolean): Promise<void>;
  /** It tells of a record at this distance from the end of what is stored. */
  tells(distance: number): Promise<void>;
}

/** Requests of the tab: by the last part of their path, and those pulls that wait for something new. */
export type RequestKind = "push" | "pull" | "wait" | "live" | "snapshot" | "info";

/**
 * What a request comes to: what the server answers, the same without waiting for something new, no network, or an error that the
 * server tells of.
 */
export type Reply =
  | "ok"
  | "at once"
  | "offline"
  /** A page that begins elsewhere. */
  | "stale"
  /** The first event is taken, and then the server stops. */
  | "stopped"
  /** All of it is done, and the answer does not come back. */
  | "unheard"
  /** The server refuses all events of it for good. */
  | "rejected"
  /** The last page of a snapshot, or one after which there is another. */
  | "snapshot"
  | "first page"
  | { readonly code: ErrorCode; readonly retryAfter?: number; readonly expected?: number };

/** The sync server. Requests wait where they are held; the others it answers. */
export interface ServerStimuli {
  hold(kind: RequestKind): Promise<void>;
  /** Those that wait are answered like this; later ones do not wait. */
  release(kind: RequestKind, reply?: Reply): Promise<void>;
  /** Those that wait are answered like this; later ones wait again. */
  answer(kind: RequestKind, reply?: Reply): Promise<void>;
  /** The next request of this kind is answered like this. */
  replyNext(kind: RequestKind, reply: Reply): Promise<void>;
  /** Another device's todo is in the server's log; or two, and what came after them this version does not know. */
  grow(unknown?: boolean): Promise<void>;
  /** Another device's todo is in the server's log, and comes over the stream. */
  sayPage(): Promise<void>;
  /** The app gives this token when it is asked; `never`: it never answers. */
  setToken(token: string): Promise<void>;
  /** Something comes over the stream that was opened last, in one piece. Without an event: a sign of life. */
  say(event?: LiveEvent): Promise<void>;
  /** That stream ends. */
  hangUp(): Promise<void>;
}

/** The page, as a browser and a person treat it. */
export interface PageStimuli {
  hide(): Promise<void>;
  show(): Promise<void>;
  /** It loses its network, or has it again. */
  online(isSo: boolean): Promise<void>;
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  /** To the back/forward cache, and back. */
  leave(): Promise<void>;
  comeBack(): Promise<void>;
  /** It crashes. */
  kill(): Promise<void>;
}

/** Time. It does not pass by itself. */
export interface TimeStimuli {
  /** Lets run what needs no time. */
  settle(): Promise<void>;
  /** Goes on to the next timer of anybody, calls it, and settles. */
  tick(): Promise<void>;
  pass(ms: number): Promise<void>;
  /** Whoever asks next what time it is gets no answer: the clock throws. */
  breakNow(): Promise<void>;
  /** The next timer of this length cannot be set: the clock throws. */
  breakNext(ms: number): Promise<void>;
}

/** One tab under test, and what is around it. */
export interface Stimuli {
  /** Opens the page and starts its engine. Does not wait for anything. */
  open(options?: OpenOptions): Promise<void>;
  /** Asks the engine to stop. Does not wait for it. */
  stop(): Promise<void>;
  /** Commits so many todos in one turn, 1 if not said. Readings tell of the last one. */
  commit(count?: number): Promise<void>;
  /** Commits a new text for a todo, whether there is one of this id or not. */
  change(id: string): Promise<void>;
  readonly page: PageStimuli;
  readonly disk: DiskStimuli;
  readonly damage: DamageStimuli;
  readonly lock: LockStimuli;
  readonly channel: ChannelStimuli;
  readonly server: ServerStimuli;
  readonly rival: RivalStimuli;
  readonly time: TimeStimuli;
  read(): Promise<Reading>;
  /** The transitions that machines of the tab took since the last call, by `meta.tid`, in order. */
  taken(): Promise<readonly string[]>;
  /**
   * Ends the tab, mends what is broken, and opens another one: what that shows. Null where the stored data is no longer for
   * this version of the app.
   */
  fresh(): Promise<Reading["rows"] | null>;
  /** Closes everything. */
  close(): Promise<void>;
}
