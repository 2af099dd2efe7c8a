import { syncSuite } from "./machines/sync.ts";
import { testPaths } from "./suite.ts";
import { createVirtual } from "./virtual.ts";

testPaths(syncSuite, createVirtual);
