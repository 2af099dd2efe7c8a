import { storageSuite } from "./machines/storage.ts";
import { testPaths } from "./suite.ts";
import { createVirtual } from "./virtual.ts";

testPaths(storageSuite, createVirtual);
