/** Older and newer code at once on one database: the older one stands aside, and nothing of it is lost. */
import { describe, expect, test } from "vitest";
import { type ChannelPort, type JsonObject } from "../../src/index.ts";
import { failing, hold, lostAndNotStored } from "../support/faulty-storage.ts";
import { type Lab, codeOf, createLab, scope, stateOf } from "../support/lab.ts";
import {
  type People,
  type Version,
  aged,
  crowd,
  leaves,
  openPeople,
  people,
  readyPeople,
  reword,
  saved,
  seed,
  worded,
} from "../support/versions.ts";

const person = (version: Version, id: string, name: string, age = 1) => ({
  id,
  age,
  ...worded(version, name),
});

/** All that is stored, but for the number that tells leaders apart. */
async function dataOf(lab: Lab) {
  const { meta = [], ...rest } = await lab.contents();
  return { ...rest, meta: meta.filter(([key]) => key !== "term") };
}

const faultsOf = ({ sync }: People): readonly string[] => {
  const codes: string[] = [];
  sync.on("fault", ({ fault }) => codes.push(fault.code));
  return codes;
};

describe("an older tab", () => {
  test("says once that it is outdated, keeps what it shows, commits nothing more, and no longer leads", async () => {
    const lab = createLab();
    const old = await readyPeople(lab, 1);
    await lab.pass(3000);
    expect(old.sync.status.role).toBe("leader");
    await old.sync.commit(saved(1, "a", "Ann Lee")).durable;
    const told = faultsOf(old);
    const next = await readyPeople(lab, 2);
    expect(old.sync.status).toMatchObject({ phase: "outdated", fault: { code: "outdated" } });
    expect(() => old.sync.commit(saved(1, "b", "Bob May"))).toThrow(
      expect.objectContaining({ code: "outdated" }),
    );
    await next.sync.commit(saved(2, "b", "Bob May")).durable;
    await lab.pass(12_000);
    expect(told).toEqual(["outdated"]);
    expect(people(old)).toEqual([person(1, "a", "Ann Lee")]);
    expect(next.sync.status.role).toBe("leader");
    expect(people(next)).toEqual([person(2, "a", "Ann Lee"), person(2, "b", "Bob May")]);
  });

  /** What may become of the write of a commit that is under way when the tab learns that it is outdated. */
  const ways: readonly (readonly [string, (tab: People) => () => void])[] = [
    [
      "under way",
      ({ disk }) => {
        const held = hold();
        disk.next("append", held.fault);
        return held.release;
      },
    ],
    [
      "to be looked up",
      ({ disk }) => {
        const held = hold();
        disk.next("append", lostAndNotStored);
        disk.next("ensure", held.fault);
        return held.release;
      },
    ],
    [
      "waiting for space",
      ({ disk }) => {
        const stop = [
          disk.always("append", failing("quota")),
          disk.always("ensure", failing("quota")),
        ];
        return () => stop.forEach((it) => it());
      },
    ],
    [
      "waiting for space, and then for a connection",
      ({ disk }) => {
        const stop = [
          disk.always("append", failing("quota")),
          disk.always("ensure", failing("quota")),
        ];
        return () => {
          stop.forEach((it) => it());
          disk.close("forced");
        };
      },
    ],
    [
      "waiting for a connection",
      ({ disk }) => {
        const stop = disk.always("open", failing("unavailable"));
        disk.close("forced");
        return stop;
      },
    ],
  ];

  test.each(ways)(
    "G1 G13 stores a commit that is %s then, and newer tabs take it in",
    async (_, begin) => {
      const lab = createLab();
      const old = await readyPeople(lab, 1);
      await old.sync.commit(saved(1, "a", "Ann Lee")).durable;
      const release = begin(old);
      const receipt = old.sync.commit([saved(1, "b", "Bob May"), aged("a", 4)]);
      await lab.settle();
      const next = await readyPeople(lab, 2);
      await lab.pass(3000);
      expect(await stateOf(receipt.durable)).toBe("pending");
      expect(people(next)).toEqual([person(2, "a", "Ann Lee")]);
      release();
      await lab.pass(60_000);
      expect(await stateOf(receipt.durable)).toBe("resolved");
      expect(old.sync.status.phase).toBe("outdated");
      // It decides nothing more, so it does not know what became of it.
      expect(await stateOf(receipt.settled)).toBe("pending");
      expect(old.sync.outbox.list().map(({ name }) => name)).toEqual(["saved", "aged"]);
      expect(people(old)).toEqual([person(1, "a", "Ann Lee", 5), person(1, "b", "Bob May")]);
      const rows = [person(2, "a", "Ann Lee", 5), person(2, "b", "Bob May")];
      expect(people(next)).toEqual(rows);
      expect(people(await readyPeople(lab, 2))).toEqual(rows);
    },
  );

  test("G2 stores what waits for space when the data is cleared and made anew by newer code, and nothing else", async () => {
    const lab = createLab();
    const tab = await readyPeople(lab, 1);
    await tab.sync.commit(saved(1, "a", "Ann Lee")).durable;
    const stop = [
      tab.disk.always("append", failing("quota")),
      tab.disk.always("ensure", failing("quota")),
    ];
    const receipts = [saved(1, "b", "Bob May"), saved(1, "c", "Cy Orr")].map((it) =>
      tab.sync.commit(it),
    );
    const newer = await readyPeople(lab, 2);
    expect(tab.sync.status.phase).toBe("outdated");
    newer.kill();
    tab.disk.close("forced");
    await lab.base.destroy(scope);
    const fresh = await readyPeople(lab, 2);
    for (const it of stop) it();
    await lab.pass(60_000);
    for (const { durable } of receipts) expect(await stateOf(durable)).toBe("resolved");
    expect([tab.sync.status.phase, tab.sync.outbox.size]).toEqual(["outdated", 2]);
    const rows = [person(2, "b", "Bob May"), person(2, "c", "Cy Orr")];
    expect(people(fresh)).toEqual(rows);
    expect(people(await readyPeople(lab, 2))).toEqual(rows);
  });

  test("G5 leaves it to newer code to decide a commit that is written then", async () => {
    const lab = createLab();
    const old = await readyPeople(lab, 1);
    const held = hold();
    old.disk.next("append", held.fault);
    const receipt = old.sync.commit(saved(1, "a", "Ann Lee"));
    const next = await readyPeople(lab, 2);
    held.release();
    await lab.settle();
    // Nothing stands before it in the log, so older code would have called it accepted.
    expect((await lab.log()).size).toBe(1);
    expect(await stateOf(receipt.durable)).toBe("resolved");
    expect(await stateOf(receipt.settled)).toBe("pending");
    expect(old.sync.outbox.size).toBe(1);
    expect(people(next)).toEqual([person(2, "a", "Ann Lee")]);
  });

  const newer: readonly (readonly [string, (lab: Lab, old: People) => Promise<void>])[] = [
    ["migrated", () => Promise.resolve()],
    [
      "made anew",
      async (lab, old) => {
        old.disk.close("forced");
        await lab.base.destroy(scope);
      },
    ],
  ];
  test.each(newer)(
    "G5 leaves it to newer code to decide a commit that is written in data that was %s while it stops",
    async (_, clear) => {
      const lab = createLab();
      const old = await readyPeople(lab, 1);
      await old.sync.commit(saved(1, "a", "Ann Lee")).durable;
      const held = hold();
      old.disk.next("append", held.fault);
      const first = old.sync.commit(leaves("a"));
      await lab.settle();
      const receipts = [first, old.sync.commit(saved(1, "b", "Bob May"))];
      const settled = receipts.map((it) => codeOf(it.settled));
      const stopping = old.sync.stop();
      await clear(lab, old);
      const next = await readyPeople(lab, 2);
      held.release();
      await lab.pass(5000);
      await stopping;
      for (const { durable } of receipts) expect(await stateOf(durable)).toBe("resolved");
      expect(await Promise.all(settled)).toEqual(["stopped", "stopped"]);
      expect(people(next)).toEqual([person(2, "b", "Bob May")]);
    },
  );

  test("stores a commit made in the very turn in which it learns", async () => {
    const lab = createLab();
    let arrive: ((message: unknown) => void) | undefined;
    const channel: ChannelPort = {
      open(_, receive) {
        arrive = receive;
        return { post: () => undefined, close: () => undefined };
      },
    };
    const old = await readyPeople(lab, 1, { ports: { channel } });
    const { meta = [] } = await lab.contents();
    const incarnation = meta.find(([key]) => key === "incarnation")?.[1];
    const receipt = old.sync.commit(saved(1, "a", "Ann Lee"));
    arrive?.({ p: 1, incarnation, tab: "newer", schema: 2, kind: "poke" });
    expect(old.sync.status.phase).toBe("outdated");
    await lab.pass(1000);
    expect(await stateOf(receipt.durable)).toBe("resolved");
  });

  test("G10 that is frozen in the middle of a fold writes nothing of it when it thaws, and is outdated", async () => {
    const lab = createLab();
    const old = await readyPeople(lab, 1);
    await old.sync.commit([saved(1, "a", "Ann Lee"), saved(1, "b", "Bob May")]).durable;
    const fold = hold();
    old.disk.next("lead", (run) => run());
    old.disk.next("lead", fold.fault);
    await lab.pass(2500);
    await fold.reached;
    old.freeze();
    const next = await readyPeople(lab, 2);
    await lab.pass(20_000);
    expect(next.sync.status.role).toBe("leader");
    await next.sync.commit(leaves("b")).durable;
    await lab.pass(5000);
    const before = await lab.contents();
    fold.release();
    old.resume();
    await lab.pass(15_000);
    expect(old.sync.status.phase).toBe("outdated");
    expect(next.sync.status.role).toBe("leader");
    expect(await lab.contents()).toEqual(before);
    expect(people(await readyPeople(lab, 2))).toEqual([person(2, "a", "Ann Lee")]);
  });

  test("G10 that leads cannot write from the moment when the version is raised", async () => {
    const lab = createLab();
    const old = await readyPeople(lab, 1);
    await old.sync.commit([saved(1, "a", "Ann Lee"), saved(1, "b", "Bob May")]).durable;
    const fold = hold();
    old.disk.next("lead", (run) => run());
    old.disk.next("lead", fold.fault);
    await lab.pass(2500);
    await fold.reached;
    lab.channels.drop(() => true);
    // It raises the version, and does not lead: the older one has the lock.
    const next = await readyPeople(lab, 2);
    expect([old.sync.status.role, next.sync.status.role]).toEqual(["leader", "candidate"]);
    const before = await dataOf(lab);
    fold.release();
    await lab.settle();
    expect(await dataOf(lab)).toEqual(before);
    await lab.pass(30_000);
    expect(old.sync.status.phase).toBe("outdated");
    expect(next.sync.status.role).toBe("leader");
    expect(people(next)).toEqual([person(2, "a", "Ann Lee"), person(2, "b", "Bob May")]);
  });

  test("G10 that comes to lead without having heard of the newer version decides and folds nothing", async () => {
    const lab = createLab();
    const old = await readyPeople(lab, 1);
    await lab.pass(3000);
    await old.sync.commit(saved(1, "a", "Ann Lee")).durable;
    old.freeze();
    lab.channels.drop(() => true);
    const next = await readyPeople(lab, 2);
    await lab.pass(20_000);
    await next.sync.commit(saved(2, "b", "Bob May")).durable;
    await lab.pass(3000);
    expect(next.sync.status.role).toBe("leader");
    // Undecided: whoever leads would decide it.
    await next.sync.commit(saved(2, "c", "Cy Orr")).durable;
    next.kill();
    const before = await dataOf(lab);
    // Nothing tells it to look at the log.
    old.disk.next("read", failing("aborted"));
    old.resume();
    await lab.pass(30_000);
    expect(old.sync.status).toMatchObject({ phase: "outdated", role: "candidate" });
    expect(await dataOf(lab)).toEqual(before);
  });

  test("that opens newer data is outdated, and changes not one byte", async () => {
    const lab = createLab();
    await seed(lab, 300);
    const next = await readyPeople(lab, 2);
    await next.sync.commit(saved(2, "a", "Ann Lee")).durable;
    next.kill();
    const before = await lab.contents();
    const old = openPeople(lab, 1);
    await expect(old.sync.ready).rejects.toMatchObject({ code: "outdated" });
    await lab.pass(30_000);
    expect(old.sync.status).toMatchObject({ phase: "outdated", role: "candidate" });
    expect(() => old.sync.commit(saved(1, "b", "Bob May"))).toThrow(
      expect.objectContaining({ code: "outdated" }),
    );
    await old.sync.stop();
    expect(await lab.contents()).toEqual(before);
    const again = await readyPeople(lab, 2);
    expect(people(again)).toEqual([person(2, "a", "Ann Lee"), ...crowd(2, 300)]);
  });
});

/** One that is in the log of version 1, and undecided. */
async function logged(): Promise<Lab> {
  const lab = createLab();
  const old = await readyPeople(lab, 1);
  await old.sync.commit(saved(1, "a", "Ann Lee")).durable;
  old.kill();
  return lab;
}

describe("events of an older version", () => {
  test("are what upcast makes of them, and are decided as that", async () => {
    const lab = await logged();
    const tab = await readyPeople(lab, 3);
    expect(people(tab)).toEqual([person(3, "a", "Ann Lee")]);
    await lab.pass(6000);
    expect(people(await readyPeople(lab, 3))).toEqual([person(3, "a", "Ann Lee")]);
  });

  test.each<readonly [string, (payload: unknown) => unknown, RegExp]>([
    [
      "throws for",
      () => {
        throw new Error("no");
      },
      /Expected upcast to return, got "Error: no"/,
    ],
    ["makes an invalid payload of", () => ({ id: "a" }), /Expected a valid payload of "saved"/],
    ["changes", (payload) => Object.assign(payload as object, { age: 2 }), /TypeError/],
    ["makes another thing each time of", () => person(2, "a", "A B", Math.random()), /to be pure/],
  ])(
    "cannot apply when upcast %s them, and wait in quarantine as they were stored",
    async (_, upcast, reason) => {
      const lab = await logged();
      const tab = await readyPeople(lab, 2, { upcast: upcast as never });
      expect(people(tab)).toEqual([]);
      await lab.pass(6000);
      const entry = { raw: { v: 1, payload: person(1, "a", "Ann Lee") } };
      expect(tab.sync.quarantine.list()).toMatchObject([
        { ...entry, reason: expect.stringMatching(reason) },
      ]);
      tab.kill();
      // A release later upcast is right.
      const mended = await readyPeople(lab, 2);
      const [waiting] = mended.sync.quarantine.list();
      expect(waiting).toMatchObject(entry);
      await mended.sync.quarantine.retry(waiting?.id ?? "");
      expect(people(mended)).toEqual([person(2, "a", "Ann Lee")]);
      expect(mended.sync.quarantine.size).toBe(0);
    },
  );

  test("are validated as they are where there is no upcast", async () => {
    const lab = await logged();
    const tab = await readyPeople(lab, 2, { plain: true });
    await lab.pass(6000);
    expect(tab.sync.quarantine.list()).toMatchObject([{ raw: { v: 1 } }]);
    await expect(
      tab.sync.quarantine.retry(tab.sync.quarantine.list()[0]?.id ?? ""),
    ).rejects.toMatchObject({ code: "invalid_payload" });
    expect(tab.sync.quarantine.size).toBe(1);
  });

  test("G12 are not understood when their version is a newer one", async () => {
    const lab = createLab();
    const old = await readyPeople(lab, 1);
    const event = { id: "e", name: "saved", v: 2, payload: person(1, "a", "Ann Lee"), at: 0 };
    await lab.put("log", undefined, { kind: "commit", tab: "x", n: 1, schema: 1, events: [event] });
    await lab.pass(20_000);
    expect(people(old)).toEqual([]);
    const [waiting] = old.sync.quarantine.list();
    expect(waiting).toMatchObject({
      raw: event,
      reason: expect.stringContaining("version 1 or lower, got 2"),
    });
    await expect(old.sync.quarantine.retry("event/e")).rejects.toMatchObject({
      code: "invalid_payload",
    });
  });

  test("cannot be used to commit from inside upcast", async () => {
    const lab = await logged();
    let thrown: unknown;
    const tab = openPeople(lab, 2, {
      upcast(payload, from) {
        try {
          tab.sync.commit(leaves("a"));
        } catch (error) {
          thrown = error;
        }
        return reword(2, payload as JsonObject, from);
      },
    });
    await tab.sync.ready;
    expect(thrown).toMatchObject({ code: expect.stringMatching(/not_ready|reentrant/) });
  });
});
