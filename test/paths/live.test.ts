import { liveSuite } from "./machines/live.ts";
import { testPaths } from "./suite.ts";
import { createVirtual } from "./virtual.ts";

testPaths(liveSuite, createVirtual);
