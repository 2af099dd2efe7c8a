/** Every machine has a table that says all that it does and does not do; without any of its transitions the table is wrong. */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type AnyStateMachine } from "xstate";
import { commitMachine } from "../../src/machines/commit.ts";
import { electionMachine } from "../../src/machines/election.ts";
import { handoffMachine } from "../../src/machines/handoff.ts";
import { liveMachine } from "../../src/machines/live.ts";
import { replicationMachine } from "../../src/machines/replication.ts";
import { loadMachine } from "../../src/machines/load.ts";
import { storageMachine } from "../../src/machines/storage.ts";
import { syncMachine } from "../../src/machines/sync.ts";
import { without } from "../../src/testing/instrument.ts";
import { transitionsOf } from "../../src/testing/transitions.ts";
import { type Table, differences } from "./table.ts";
import { commitTable } from "./tables/commit.ts";
import { electionTable } from "./tables/election.ts";
import { handoffTable } from "./tables/handoff.ts";
import { liveTable } from "./tables/live.ts";
import { replicationTable } from "./tables/replication.ts";
import { loadTable } from "./tables/load.ts";
import { storageTable } from "./tables/storage.ts";
import { syncTable } from "./tables/sync.ts";

const machines: readonly (readonly [AnyStateMachine, Table])[] = [
  [commitMachine, commitTable],
  [electionMachine, electionTable],
  [handoffMachine, handoffTable],
  [liveMachine, liveTable],
  [replicationMachine, replicationTable],
  [loadMachine, loadTable],
  [storageMachine, storageTable],
  [syncMachine, syncTable],
];

describe.each(machines.map(([machine, table]) => ({ name: machine.id, machine, table })))(
  "the table of $name",
  ({ name, machine, table }) => {
    it("has a cell for each state and event, and no other", () => {
      expect(differences(machine, table)).toEqual([]);
    });

    it("is wrong when any transition is gone", () => {
      const tids = transitionsOf(machine).map(({ tid }) => tid);
      const kept = tids.filter((tid) => differences(without(machine, tid), table).length === 0);
      console.log(`${name}: ${tids.length - kept.length} of ${tids.length} removals found`);
      expect(kept).toEqual([]);
    });
  },
);

const hasPaths = (name: string) => existsSync(new URL(`${name}.test.ts`, import.meta.url));

it("every machine has a table and paths", () => {
  const folder = new URL("../../src/machines/", import.meta.url);
  const made = readdirSync(folder)
    .filter((file) => readFileSync(new URL(file, folder), "utf8").includes(".createMachine({"))
    .map((file) => file.replace(".ts", ""));
  expect(machines.map(([{ id }]) => id).toSorted()).toEqual(made.toSorted());
  expect(made.filter((name) => !hasPaths(name))).toEqual([]);
});
