import * as fc from "fast-check";
import { expect, it } from "vitest";
import { type Lab, type Tab, added, createLab, scope, shown, toggled } from "../support/lab.ts";

async function identity(lab: Lab): Promise<string> {
  const { meta } = await lab.contents();
  return meta?.find(([key]) => key === "incarnation")?.[1] as string;
}

const head = { p: 1, tab: "stranger", schema: 1 };

/** Nothing moved, and the engine goes on. */
async function expectUnmoved(lab: Lab, tab: Tab, before: unknown): Promise<void> {
  await lab.settle();
  expect(shown(tab)).toEqual(before);
  expect(tab.sync.status).toMatchObject({ phase: "ready", fault: null, behind: 0 });
}

it("G12 anything on the channel is dropped, counted and throws nowhere", async () => {
  const lab = createLab();
  const tab = await lab.ready();
  await tab.sync.commit(added("t1")).durable;
  const before = shown(tab);
  let sent = 0;
  const anything = fc.anything({
    withNullPrototype: true,
    withDate: true,
    withMap: true,
    withSet: true,
    withTypedArray: true,
    withBigInt: true,
    maxDepth: 4,
  });
  const property = fc.property(anything, (junk) => {
    try {
      structuredClone(junk);
    } catch {
      return;
    }
    sent += 1;
    lab.channels.send(scope, junk);
  });
  fc.assert(property, { numRuns: 300, seed: 7 });
  await expectUnmoved(lab, tab, before);
  expect(tab.sync.status.ignored).toBe(sent);
  lab.channels.sendBroken(scope);
  await lab.settle();
  expect(tab.sync.status.ignored).toBe(sent + 1);
  await tab.sync.commit(toggled("t1")).settled;
  expect(shown(await lab.ready())).toEqual(shown(tab));
});

it("G12 messages that are almost right are dropped, and counted", async () => {
  const lab = createLab();
  const tab = await lab.ready();
  await tab.sync.commit(added("t1")).durable;
  const before = shown(tab);
  const incarnation = await identity(lab);
  const right = { ...head, incarnation };
  const record = { kind: "commit", tab: "stranger", n: 1, schema: 1, events: [] };
  const junk: unknown[] = [
    { ...right, kind: "toString" },
    { ...right, kind: "__proto__" },
    { ...right, kind: "changed" },
    { ...right, kind: "changed", position: -1 },
    { ...right, kind: "changed", position: 1.5 },
    { ...right, kind: "changed", position: "2" },
    { ...right, kind: "changed", position: Number.NaN },
    { ...right, kind: "heartbeat", position: 1 },
    { ...right, kind: "heartbeat", position: 1, term: Number.POSITIVE_INFINITY },
    { ...right, p: 2, kind: "poke" },
    { ...right, tab: "", kind: "poke" },
    { ...right, tab: "x".repeat(10_000), kind: "poke" },
    { ...right, schema: "1", kind: "poke" },
    { ...right, incarnation: "another", kind: "changed", position: 2, record },
    { ...right, incarnation: "another", schema: 99, kind: "poke" },
    { ...right, incarnation: "__proto__", kind: "bye", term: 1 },
    Object.create(null),
    JSON.parse('{"__proto__": {"kind": "poke"}}'),
  ];
  for (const message of junk) lab.channels.send(scope, message);
  await expectUnmoved(lab, tab, before);
  expect(tab.sync.status.ignored).toBe(junk.length);
});

it("G12 a record that is none is counted, and the disk is asked instead", async () => {
  const lab = createLab();
  const tab = await lab.ready();
  await tab.sync.commit(added("t1")).durable;
  await lab.pass(3000);
  const before = shown(tab);
  const right = { ...head, incarnation: await identity(lab), kind: "changed" };
  const good = { kind: "commit", tab: "stranger", n: 1, schema: 1, events: [] };
  const junk: unknown[] = [
    null,
    [],
    "record",
    { ...good, kind: "constructor" },
    { ...good, n: -1 },
    { ...good, events: [{ id: "e", name: "todoAdded", v: 1, at: 1 }] },
    { ...good, events: [{ id: "e", name: "todoAdded", v: 1, payload: 1n, at: 1 }] },
    { ...good, events: [{ id: "e", name: "todoAdded", v: 1, payload: new Date(), at: 1 }] },
    { ...good, kind: "base" },
    { ...good, kind: "dismiss", from: "meta", ids: ["floor"] },
  ];
  for (const record of junk) lab.channels.send(scope, { ...right, position: 4, record });
  await expectUnmoved(lab, tab, before);
  expect(tab.sync.status.ignored).toBe(junk.length);
});

it("G12 a position that is not in the log is asked for once, and not for ever", async () => {
  const lab = createLab();
  const tab = await lab.ready();
  await tab.sync.commit(added("t1")).durable;
  const before = shown(tab);
  const right = { ...head, incarnation: await identity(lab) };
  const reads = (): number => tab.disk.calls.filter((call) => call === "read").length;
  const first = reads();
  lab.channels.send(scope, { ...right, kind: "changed", position: Number.MAX_SAFE_INTEGER });
  await expectUnmoved(lab, tab, before);
  expect(reads() - first).toBe(1);
  for (let at = 0; at < 50; at += 1)
    lab.channels.send(scope, { ...right, kind: "heartbeat", term: 9, position: 1e15 + at });
  await expectUnmoved(lab, tab, before);
  expect(reads() - first).toBeLessThan(5);
  await tab.sync.commit(toggled("t1")).settled;
  expect(shown(await lab.ready())).toEqual(shown(tab));
});

it("G12 names from Object.prototype are ordinary bad names in a record that arrives", async () => {
  const lab = createLab();
  const tab = await lab.ready();
  const hasOwn = ["toString", "__proto__", "constructor", "hasOwnProperty"];
  await tab.sync.commit(added("t1")).durable;
  const before = shown(tab);
  // Each is on disk too, so that memory and disk still agree.
  for (const [at, name] of hasOwn.entries()) {
    const event = { id: `e${at}`, name, v: 1, payload: {}, at: 1 };
    const record = { kind: "commit", tab: name, n: 1, schema: 1, events: [event] };
    await lab.put("log", undefined, record);
    lab.channels.send(scope, {
      ...head,
      incarnation: await identity(lab),
      kind: "changed",
      position: at + 2,
      record,
    });
  }
  await lab.pass(5000);
  expect(shown(tab)).toEqual(before);
  expect(tab.sync.status).toMatchObject({ phase: "ready", fault: null, ignored: 0 });
  expect(shown(await lab.ready())).toEqual(before);
});

const message = async (lab: Lab): Promise<void> => {
  lab.channels.send(scope, {
    ...head,
    schema: 2,
    incarnation: await identity(lab),
    kind: "poke",
  });
};
const record = async (lab: Lab): Promise<void> => {
  await lab.put("meta", "schema", 2);
  await lab.put("log", undefined, {
    kind: "commit",
    tab: "newer",
    n: 1,
    schema: 2,
    events: [],
  });
  lab.channels.send(scope, {
    ...head,
    incarnation: await identity(lab),
    kind: "changed",
    position: 2,
  });
};

/** It is on no disk. */
const recordAlone = async (lab: Lab): Promise<void> => {
  const event = { ...added("t9"), id: "e9", v: 1, at: 0 };
  lab.channels.send(scope, {
    ...head,
    incarnation: await identity(lab),
    kind: "changed",
    position: 2,
    record: { kind: "commit", tab: "newer", n: 1, schema: 2, events: [event] },
  });
};

it("G9 G12 a message or record of a newer schema makes the tab outdated, and it changes nothing", async () => {
  for (const arrive of [message, record, recordAlone]) {
    const lab = createLab();
    const tab = await lab.ready();
    await tab.sync.commit(added("t1")).durable;
    await arrive(lab);
    const before = await lab.contents();
    await lab.pass(20_000);
    expect(tab.sync.status.phase).toBe("outdated");
    expect(tab.sync.status.fault?.code).toBe("outdated");
    expect(() => tab.sync.commit(added("t2"))).toThrow(
      expect.objectContaining({ code: "outdated" }),
    );
    expect(await lab.contents()).toEqual(before);
    expect(shown(tab).todos.length).toBe(1);
    await tab.sync.stop();
  }
});
