/** Public names of `sssync/server`. */
export { createSyncServer, type SyncServer } from "./server.ts";
export { memory } from "./memory.ts";
export type { OwnEvent } from "./push.ts";
export type { QueryAnswer, QueryContext, QueryHandler } from "./query.ts";
export type {
  AuthorizeContext,
  EventOf,
  Principal,
  Refusal,
  RequestReport,
  ServerLimits,
  SyncServerOptions,
} from "./options.ts";
export type {
  Compaction,
  Decision as StoredDecision,
  DedupeKey,
  LogRow,
  PushFound,
  PushWant,
  PushWrite,
  ReadFound,
  ReadWant,
  SnapshotHead,
  SpaceHead,
  Storage,
} from "./storage.ts";
