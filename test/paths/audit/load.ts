/** W4: a stored row that its schema refuses. */
import { expect } from "vitest";
import { createEmptyActor } from "xstate";
import { loadMachine } from "../../../src/machines/load.ts";
import { type StoredSegment } from "../../../src/model/segment.ts";
import { type Device, type PathCase } from "../../../src/testing/index.ts";
import { openTodos } from "../../support/todos.ts";
import { type Weakness } from "./audit.ts";

const scope = "sssync/todos/";

/** The text of that row becomes one that is none. */
function spoil({ disk }: Device): void {
  const [first] = disk.contents(scope)?.segments ?? [];
  const [key, segment] = first as readonly [readonly [string, number], StoredSegment];
  const at = segment.ids.indexOf("bad");
  const columns = segment.columns.map(
    ([name, values]) => [name, name === "text" ? values.with(at, 7) : values] as const,
  );
  disk.put("segments", key, { ...segment, columns }, scope);
}

export const invalidRow: Weakness = {
  name: "W4 invalid-row-on-load",
  suite: (device) => ({
    machine: loadMachine,
    async prepare({ open, commit, page, disk, time, taken }) {
      const other = openTodos({ environment: device.openPage().environment });
      await device.run(other.ready);
      other.commit({ name: "todoAdded", payload: { id: "bad", text: "Good" } });
      await device.run(other.stop());
      await open();
      await time.pass(100);
      await commit();
      await commit();
      // Decided and folded.
      await time.pass(10_000);
      await page.kill();
      spoil(device);
      await disk.hold("open");
      await disk.hold("read");
      await disk.hold("quarantine");
      await open();
      await taken();
    },
    drive: {
      "storage.opened": ({ disk }) => disk.release("open"),
      "xstate.done.actor.read": ({ disk }) => disk.release("read"),
      "xstate.done.actor.quarantine": ({ disk }) => disk.release("quarantine"),
      // It needs nothing from outside.
      "xstate.done.actor.replay": { ahead: () => Promise.resolve() },
    },
    check({ status, ready }, state) {
      if (state !== "ready") expect(ready).toBe("pending");
      else expect(status).toMatchObject({ phase: "ready", quarantined: 1 });
    },
  }),
  model: {
    name: "a bad row",
    input: { owner: createEmptyActor() },
    cases: [
      {
        type: "xstate.done.actor.read",
        title: "read a bad row",
        output: { tag: "read", damaged: 1 },
      },
      { type: "xstate.done.actor.replay", output: 5 },
    ],
    filter: ({ type }, { value }) =>
      type === "storage.opened" ? value === "waiting" : type.startsWith("xstate.done."),
  },
  cover: ["load.damaged", "load.quarantined", "load.replayed"],
  rows: ["todo-1", "todo-2"],
  atEnd({ ready, status }) {
    expect(ready).toBe("resolved");
    expect(status).toMatchObject({ phase: "ready", storage: "open", quarantined: 1 });
  },
};

/** Another tab writes three times, and this one hears of the last one alone. */
async function write(device: Device): Promise<void> {
  const other = openTodos({ environment: device.openPage().environment });
  await device.run(other.ready);
  const hear = device.dropMessages();
  const add = (id: string) => other.commit({ name: "todoAdded", payload: { id, text: "Milk" } });
  await device.run(add("first").durable);
  await device.run(add("second").durable);
  hear();
  await device.run(add("third").durable);
}

export const missedRecords: Weakness = {
  name: "A1 missed-records",
  suite: (device) => ({
    machine: loadMachine,
    async prepare({ open, disk }) {
      await disk.hold("open");
      await open();
    },
    drive: {
      "storage.opened": ({ disk }) => disk.release("open"),
      "gap.found": () => write(device),
    },
    check({ status, rows }, _, { event }) {
      expect(status).toMatchObject({ phase: "ready", behind: 0 });
      expect(rows).toHaveLength(event.type === "gap.found" ? 3 : 0);
    },
  }),
  model: {
    name: "records that nobody told",
    input: { owner: createEmptyActor() },
    cases: [{ type: "gap.found", position: 3 }],
    filter: ({ type }, { value }) =>
      (type === "storage.opened" && value === "waiting") ||
      (type === "gap.found" && value === "ready"),
    // What is read is sound, at once.
    react({ to }): PathCase | void {
      if (to === "reading")
        return { type: "xstate.done.actor.read", output: { tag: "read", damaged: 0 } };
      if (to === "replaying") return { type: "xstate.done.actor.replay", output: 5 };
    },
  },
  cover: ["load.gap", "load.sound", "load.replayed"],
  rows: ["first", "second", "third"],
};
