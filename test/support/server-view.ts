import { type ServerView } from "../../src/machines/progress.ts";
import { noOutlook } from "../../src/uplink.ts";

/** A place without a server, and without chance. */
export const serverView = (over: Partial<ServerView> = {}): ServerView => ({
  configured: false,
  live: "none",
  schema: 1,
  adopts: false,
  look: () => noOutlook,
  now: () => 0,
  chance: () => 0,
  online: () => true,
  watched: () => true,
  ...over,
});
