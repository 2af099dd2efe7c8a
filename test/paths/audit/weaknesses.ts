/** All weaknesses that the audit is about. Some have two paths, in different surroundings. */
import { type Weakness } from "./audit.ts";
import { missingRow, refusedWrite, replayedCreate, writeFailure } from "./commit.ts";
import { invalidRow, missedRecords } from "./load.ts";
import { invalidBroadcast, leaderHandoff, oneConnection } from "./tabs.ts";

export const weaknesses: readonly Weakness[] = [
  writeFailure,
  refusedWrite,
  leaderHandoff,
  missingRow,
  invalidRow,
  replayedCreate,
  oneConnection,
  invalidBroadcast,
  missedRecords,
];
