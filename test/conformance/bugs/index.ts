/** Bugs of servers, each of which the conformance suite has to find; and each of its cases has to find one of them. */
import { type Bug } from "./kit.ts";
import { pushingBugs } from "./pushing.ts";
import { queryingBugs } from "./querying.ts";
import { readingBugs } from "./reading.ts";
import { requestBugs } from "./requests.ts";

export const bugs: ReadonlyMap<string, Bug> = new Map(
  Object.entries({ ...requestBugs, ...pushingBugs, ...readingBugs, ...queryingBugs }),
);
