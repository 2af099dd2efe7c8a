import { type ServerView } from "../../src/machines/progress.ts";

/** A place without a server, and without chance. */
export const serverView = (over: Partial<ServerView> = {}): ServerView => ({
  configured: false,
  live: "none",
  schema: 1,
  adopts: false,
  look: () => ({
    undecided: 0,
    unseen: 0,
    cursor: null,
    pos: 0,
    epoch: null,
    notBefore: 0,
    attempt: 0,
    blocked: null,
  }),
  now: () => 0,
  chance: () => 0,
  online: () => true,
  watched: () => true,
  ...over,
});
