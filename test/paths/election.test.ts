import { electionSuite } from "./machines/election.ts";
import { testPaths } from "./suite.ts";
import { createVirtual } from "./virtual.ts";

testPaths(electionSuite, createVirtual);
