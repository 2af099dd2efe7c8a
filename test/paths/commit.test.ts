import { commitSuite } from "./machines/commit.ts";
import { testPaths } from "./suite.ts";
import { createVirtual } from "./virtual.ts";

testPaths(commitSuite, createVirtual);
