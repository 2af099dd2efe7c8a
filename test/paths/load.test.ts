import { loadSuite } from "./machines/load.ts";
import { testPaths } from "./suite.ts";
import { createVirtual } from "./virtual.ts";

testPaths(loadSuite, createVirtual);
