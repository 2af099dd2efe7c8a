/** All cases, in the order of the protocol's list. */
import { type Case } from "../case.ts";
import { decisionCases } from "./decisions.ts";
import { httpCases } from "./http.ts";
import { liveCases } from "./live.ts";
import { propertyCases } from "./properties.ts";
import { pullCases } from "./pull.ts";
import { pushCases } from "./push.ts";
import { queryCases } from "./query.ts";
import { raceCases } from "./races.ts";
import { securityCases } from "./security.ts";
import { snapshotCases } from "./snapshot.ts";

const numberOf = ({ id }: Case): number => Number(id.slice(1));

export const cases: readonly Case[] = [
  ...httpCases,
  ...[...pushCases, ...decisionCases, ...raceCases].toSorted((a, b) => numberOf(a) - numberOf(b)),
  ...pullCases,
  ...snapshotCases,
  ...liveCases,
  ...queryCases,
  ...securityCases,
  ...propertyCases,
];
