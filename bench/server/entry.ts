/** What the measurements of the server use of this package, for one bundle. */
export { createSyncServer } from "../../src/server/index.ts";
export { sqlite } from "../../src/server/sqlite.ts";
export { defineEvent } from "../../src/index.ts";
export { makeRows, payloadSchemas } from "../rows.ts";
export * as v from "valibot";
