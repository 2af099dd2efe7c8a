import { replicationSuite } from "./machines/replication.ts";
import { testPaths } from "./suite.ts";
import { createVirtual } from "./virtual.ts";

testPaths(replicationSuite, createVirtual);
