// @ts-check
import { audit } from "./table/audit.mjs";
import { commits } from "./table/commits.mjs";
import { conformance } from "./table/conformance.mjs";
import { generated } from "./table/generated.mjs";
import { leaders } from "./table/leaders.mjs";
import { replication } from "./table/replication.mjs";
import { outbox } from "./table/outbox.mjs";
import { rows } from "./table/rows.mjs";
import { server } from "./table/server.mjs";
import { simulated } from "./table/simulated.mjs";
import { storage } from "./table/storage.mjs";
import { strangers } from "./table/strangers.mjs";
import { versions } from "./table/versions.mjs";
import { wire } from "./table/wire.mjs";

/** @import { Mutant } from "./apply.mjs" */

/** @type {readonly Mutant[]} */
export const mutants = [
  ...audit,
  ...commits,
  ...rows,
  ...leaders,
  ...storage,
  ...outbox,
  ...strangers,
  ...versions,
  ...replication,
  ...server,
  ...wire,
  ...simulated,
  ...conformance,
  ...generated,
];
