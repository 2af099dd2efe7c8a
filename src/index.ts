export { createSyncActor } from "./sync-actor.ts";
export { defineEvent } from "./model/definition.ts";
export { create, remove, update, upsert } from "./model/action.ts";
export { createId } from "./model/id.ts";
export { SyncError } from "./errors.ts";

export type {
  Collection,
  EventInput,
  Fault,
  QuarantineEntry,
  ServerConfig,
  SyncActor,
  SyncConfig,
  SyncEmitted,
  SyncExport,
  SyncSnapshot,
  SyncStatus,
  TableReader,
  TableReaders,
} from "./api.ts";
export type { SyncErrorCode } from "./errors.ts";
export type { CreateAction, DeleteAction, UpdateAction, UpsertAction } from "./model/action.ts";
export type {
  ActionOn,
  EventDefinition,
  EventDefinitions,
  Materializer,
  MaterializerContext,
  ModelConfig,
  PayloadOf,
  RowOf,
  SchemaConfig,
  TableSchemas,
  TableView,
} from "./model/definition.ts";
export type { Json, JsonObject } from "./model/json.ts";
export type { Envelope, RejectedEvent } from "./model/log.ts";
export type { RowChange } from "./model/publication.ts";
export type { Decision } from "./model/entry.ts";
export type { Receipt } from "./pipeline.ts";
export type {
  Channel,
  ChannelPort,
  ClockPort,
  Connection,
  ConnectionEvents,
  Environment,
  LifecycleEvent,
  LifecyclePort,
  LockPort,
  NetworkPort,
  RandomPort,
  StoragePort,
} from "./services/ports.ts";
