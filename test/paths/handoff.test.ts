import { handoffSuite } from "./machines/handoff.ts";
import { testPaths } from "./suite.ts";
import { createVirtual } from "./virtual.ts";

testPaths(handoffSuite, createVirtual);
