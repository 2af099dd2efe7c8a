import { describe, expect, it } from "vitest";
import { failing, hold } from "../support/faulty-storage.ts";
import {
  type Lab,
  added,
  createLab,
  removed,
  renamed,
  shown,
  slid,
  toggled,
} from "../support/lab.ts";

const ids = (count: number, from = 0): string[] =>
  Array.from({ length: count }, (_, at) => `t${String(from + at).padStart(5, "0")}`);

describe("a fold", () => {
  it("leaves a short log, moves the floor, and the next tab reads segments", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    for (const id of ids(20)) await tab.sync.commit(added(id)).durable;
    await lab.pass(3000);
    const { log, segments } = await lab.contents();
    expect(log).toEqual([]);
    expect(segments?.length).toBe(1);
    expect(await lab.meta("floor")).toBe(21);
    const fresh = await lab.ready();
    expect(shown(fresh)).toEqual(shown(tab));
    await fresh.sync.commit(toggled("t00003")).settled;
    expect(shown(await lab.ready())).toEqual(shown(fresh));
  });

  it("keeps 3,000 rows through updates and deletes over several folds", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    const all = ids(3000);
    await tab.sync.commit(all.map((id) => added(id))).durable;
    await lab.pass(3000);
    expect((await lab.contents())["segments"]?.length).toBe(3);
    const wanted = new Map(all.map((id) => [id, "Milk"]));
    for (let round = 0; round < 4; round += 1) {
      const gone = all.filter((_, at) => at % 11 === round);
      const changed = all.filter((_, at) => at % 13 === round);
      const fresh = ids(300, 10_000 + round * 300).map((id) => id.replace("t1", "t0"));
      await tab.sync.commit([
        ...gone.map((id) => removed(id)),
        ...changed.map((id) => renamed(id, `round ${round}`)),
        ...fresh.map((id) => added(`${id}-${round}`)),
      ]).durable;
      for (const id of gone) wanted.delete(id);
      for (const id of changed) if (wanted.has(id)) wanted.set(id, `round ${round}`);
      for (const id of fresh) wanted.set(`${id}-${round}`, "Milk");
      await lab.pass(3000);
      expect((await lab.contents())["log"]).toEqual([]);
    }
    const rows = Array.from(wanted.entries(), ([id, text]) => ({ id, text, done: false }));
    const sorted = rows.toSorted((a, b) => (a.id < b.id ? -1 : 1));
    expect(shown(tab).todos).toEqual(sorted);
    expect(shown(await lab.ready()).todos).toEqual(sorted);
    const manifest = (await lab.meta("manifest")) as { todos: { no: number; count: number }[] };
    const counted = manifest.todos.reduce((sum, { count }) => sum + count, 0);
    expect(counted).toBe(sorted.length);
    expect((await lab.contents())["segments"]?.length).toBe(manifest.todos.length);
  }, 30_000);

  it("deletes all rows of a table, and they stay deleted", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    await tab.sync.commit(ids(50).map((id) => added(id))).durable;
    await lab.pass(3000);
    await tab.sync.commit(ids(50).map((id) => removed(id))).durable;
    await lab.pass(3000);
    expect(shown(await lab.ready()).todos).toEqual([]);
    await tab.sync.commit(added("t1")).durable;
    await lab.pass(3000);
    expect(shown(await lab.ready())).toEqual(shown(tab));
  });

  it("writes the base, never base and overlay", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    await tab.sync.commit([added("kept"), added("gone"), added("changed")]).durable;
    await lab.pass(3000);
    await tab.sync.commit(renamed("kept", "decided")).durable;
    // The base moves; then commits that are never stored cover it while it is folded.
    const held = hold();
    tab.disk.next("lead", held.fault);
    await lab.pass(2500);
    await held.reached;
    tab.disk.always("append", failing("quota"));
    tab.disk.always("ensure", failing("quota"));
    tab.sync.commit([removed("gone"), renamed("changed", "overlay"), added("more"), slid(9)]);
    await lab.settle();
    held.release();
    await lab.pass(3000);
    expect(await lab.meta("floor")).toBeGreaterThan(2);
    tab.kill();
    expect(shown(await lab.ready()).todos).toEqual([
      { id: "changed", text: "Milk", done: false },
      { id: "gone", text: "Milk", done: false },
      { id: "kept", text: "decided", done: false },
    ]);
  });

  it("with commits of other tabs that arrive while it is written loses none of them", async () => {
    const lab = createLab();
    const leader = await lab.ready();
    const other = await lab.ready();
    await leader.sync.commit(ids(10).map((id) => added(id))).durable;
    const held = hold();
    leader.disk.next("lead", (run) => run());
    leader.disk.next("lead", held.fault);
    await lab.pass(2500);
    await held.reached;
    const mine = other.sync.commit([removed("t00001"), renamed("t00002", "other"), added("new")]);
    await mine.durable;
    held.release();
    await lab.pass(5000);
    expect((await lab.contents())["log"]).toEqual([]);
    expect(shown(leader)).toEqual(shown(other));
    expect(shown(await lab.ready())).toEqual(shown(other));
  });

  it("keeps what its own base record changed when memory reaches that record late", async () => {
    const lab = createLab();
    const leader = await lab.ready();
    const other = await lab.ready();
    await leader.sync.commit([added("t1"), slid(1)]).durable;
    // Its first fold fails: there is something to fold, whatever comes.
    leader.disk.next("lead", (run) => run());
    leader.disk.next("lead", failing("aborted"));
    await lab.pass(2500);
    expect((await lab.contents())["log"]?.length).toBe(2);
    // The leader misses a record, so the base record that it writes next is ahead of its memory.
    await leader.sync.commit(slid(5)).durable;
    await leader.sync.commit(renamed("t1", "second")).durable;
    const hear = lab.channels.drop(() => true);
    await other.sync.commit(added("t2")).durable;
    await lab.settle();
    hear();
    const reading = hold();
    const folding = hold();
    leader.disk.next("read", reading.fault);
    leader.disk.next("lead", (run) => run());
    leader.disk.next("lead", folding.fault);
    await lab.pass(2500);
    await folding.reached;
    await reading.reached;
    reading.release();
    await lab.settle();
    folding.release();
    await lab.pass(10_000);
    expect((await lab.contents())["log"]).toEqual([]);
    expect(shown(await lab.ready())).toEqual(shown(leader));
    expect(shown(leader).todos.map((row) => row.text)).toEqual(["second", "Milk"]);
    expect(shown(leader).settings).toEqual([{ id: "slider", value: 5 }]);
  });

  it("that fails is made again, and nothing is lost", async () => {
    for (const kind of ["aborted", "quota", "lost", "refused"] as const) {
      const lab = createLab();
      const tab = await lab.ready();
      await tab.sync.commit(ids(5).map((id) => added(id))).durable;
      tab.disk.next("lead", (run) => run());
      tab.disk.next("lead", failing(kind));
      await lab.pass(3000);
      await tab.sync.commit(removed("t00001")).durable;
      await lab.pass(60_000);
      expect((await lab.contents())["log"]).toEqual([]);
      expect(shown(await lab.ready())).toEqual(shown(tab));
    }
  });

  it("leaves unknown tables of the manifest alone", async () => {
    const lab = createLab();
    const first = await lab.ready();
    await first.sync.commit([added("t1"), slid(3)]).durable;
    await lab.pass(3000);
    await first.sync.stop();
    // As code with another table left it.
    const manifest = (await lab.meta("manifest")) as Record<string, unknown>;
    const mark = { no: 1, low: "a", count: 1, pos: 1 };
    const segment = { v: 1, ids: ["a"], columns: [["size", [1]]], pos: 1 };
    await lab.put("meta", "manifest", { ...manifest, others: [mark] });
    await lab.put("segments", ["others", 1], segment);
    const tab = await lab.ready();
    await tab.sync.commit(renamed("t1", "Bread")).durable;
    await lab.pass(5000);
    expect((await lab.contents())["log"]).toEqual([]);
    const after = (await lab.meta("manifest")) as Record<string, unknown>;
    expect(after["others"]).toEqual([{ ...mark, schema: 1 }]);
    const { segments } = await lab.contents();
    expect(segments?.find(([key]) => String(key) === "others,1")?.[1]).toEqual(segment);
  });
});

/** Leaves data behind whose segment of todos is another one. */
async function damaged(lab: Lab, change: (segment: Record<string, unknown>) => unknown) {
  const writer = await lab.ready();
  await writer.sync.commit([...ids(3).map((id) => added(id)), slid(4)]).durable;
  await lab.pass(3000);
  await writer.sync.stop();
  const { segments = [] } = await lab.contents();
  const [key, value] = segments.find(([found]) => String(found).startsWith("todos")) ?? [];
  const segment = structuredClone(value) as Record<string, unknown>;
  await lab.put("segments", key as IDBValidKey, change(segment));
}

describe("G8 damage", () => {
  it("rows that another code's base record brought for a table unknown here leave the log, and are carried on", async () => {
    const lab = createLab();
    const first = await lab.ready();
    await first.sync.commit(added("t1")).settled;
    await lab.pass(3000);
    await first.sync.stop();
    const position = ((await lab.meta("floor")) as number) + 1;
    const settled = { position: position - 1, index: 0 };
    const changes = [["others", "a", { id: "a" }, position]];
    const header = { kind: "base", tab: "elsewhere", n: 1, schema: 1, term: 1 };
    await lab.put("log", undefined, { ...header, settled, changes, keys: [], rejected: [] });
    const tab = await lab.ready();
    await tab.sync.commit(renamed("t1", "Bread")).durable;
    await lab.pass(5000);
    expect(tab.sync.status).toMatchObject({ phase: "ready", role: "leader", fault: null });
    expect((await lab.contents())["log"]).toEqual([]);
    expect(await lab.meta("carried")).toEqual([["others", "a", { id: "a" }, position, 1]]);
    expect(shown(await lab.ready())).toEqual(shown(tab));
  });

  it("G8 a damaged row goes into quarantine, and the rest loads", async () => {
    const lab = createLab();
    await damaged(lab, (segment) => {
      const columns = segment["columns"] as [string, unknown[]][];
      const text = columns.find(([name]) => name === "text");
      if (text !== undefined) text[1][1] = 42;
      return segment;
    });
    const tab = await lab.ready();
    expect(shown(tab).todos.map((row) => row.id)).toEqual(["t00000", "t00002"]);
    expect(shown(tab).settings).toEqual([{ id: "slider", value: 4 }]);
    expect(tab.sync.status).toMatchObject({ phase: "ready", quarantined: 1 });
    const [entry] = tab.sync.quarantine.list();
    expect(entry).toMatchObject({ id: "row/todos/t00001", raw: { id: "t00001", text: 42 } });
    // It is kept on disk before anything else is written.
    expect((await lab.contents())["quarantine"]?.length).toBe(1);
    await tab.sync.commit(toggled("t00002")).durable;
    await lab.pass(5000);
    const again = await lab.ready();
    expect(shown(again)).toEqual(shown(tab));
    expect(again.sync.quarantine.size).toBe(1);
    await again.sync.quarantine.discard("row/todos/t00001");
    expect(again.sync.quarantine.size).toBe(0);
    await lab.settle();
    expect(tab.sync.status.quarantined).toBe(0);
    await lab.pass(5000);
    expect((await lab.ready()).sync.status.quarantined).toBe(0);
  });

  it.each([
    ["nothing", () => undefined],
    ["a string", () => "junk"],
    ["without rows", (segment: Record<string, unknown>) => ({ ...segment, ids: "junk" })],
  ])("G8 a segment that is %s goes into quarantine, and the rest loads", async (_, change) => {
    const lab = createLab();
    await damaged(lab, change);
    const tab = await lab.ready();
    expect(shown(tab)).toEqual({ todos: [], settings: [{ id: "slider", value: 4 }] });
    expect(tab.sync.status).toMatchObject({ phase: "ready", quarantined: 1 });
    await tab.sync.commit(added("t1")).settled;
    await lab.pass(5000);
    expect(shown(await lab.ready())).toEqual(shown(tab));
  });

  it("G8 a log record that is none goes into quarantine, and the rest loads", async () => {
    const lab = createLab();
    const writer = await lab.ready({ ports: { locks: null } });
    for (const id of ids(3)) await writer.sync.commit(added(id)).durable;
    await writer.sync.stop();
    await lab.put("log", 2, { junk: true });
    const tab = await lab.ready();
    expect(shown(tab).todos.map((row) => row.id)).toEqual(["t00000", "t00002"]);
    expect(tab.sync.quarantine.list().map((entry) => entry.id)).toEqual(["log/2"]);
    await lab.pass(5000);
    expect(shown(await lab.ready())).toEqual(shown(tab));
  });

  it("G8 a log record that is missing is told, and the rest loads", async () => {
    const lab = createLab();
    const writer = await lab.ready({ ports: { locks: null } });
    for (const id of ids(3)) await writer.sync.commit(added(id)).durable;
    await writer.sync.stop();
    await lab.remove("log", 2);
    const tab = await lab.ready();
    expect(shown(tab).todos.map((row) => row.id)).toEqual(["t00000", "t00002"]);
    expect(tab.sync.status.quarantined).toBe(1);
    await lab.pass(5000);
    expect(shown(await lab.ready())).toEqual(shown(tab));
  });
});

it("folds what it learned of while it folded", async () => {
  const lab = createLab();
  await (await lab.ready()).sync.stop();
  await lab.put("quarantine", "log/7", { raw: null, reason: "?", at: 1 });
  const leader = await lab.ready();
  await lab.pass(3000);
  await leader.sync.quarantine.discard("log/7");
  await leader.sync.commit(added("t1")).durable;
  const held = hold();
  leader.disk.next("lead", (run) => run());
  leader.disk.next("lead", held.fault);
  // Nobody tells of it: the base record comes after a gap, and is in memory only when the fold of what was before has begun.
  const dismissal = { kind: "dismiss", tab: "other", n: 1, schema: 1, from: "quarantine" };
  await lab.put("log", undefined, { ...dismissal, ids: ["log/8"] });
  await lab.pass(3000);
  held.release();
  await lab.pass(60_000);
  expect(leader.sync.status.role).toBe("leader");
  expect((await lab.contents())["log"]).toEqual([]);
});
