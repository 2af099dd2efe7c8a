/**
 * Paths of loading. Another tab was there before, and left a row; it leads, and says nothing of itself. What the tab asks of its
 * disk waits until a path says what is there, and how it is answered; a new connection waits as well.
 */
import { expect } from "vitest";
import { createEmptyActor } from "xstate";
import { type Context, loadMachine } from "../../../src/machines/load.ts";
import { type FaultKind, type PathCase, type PathState } from "../../../src/testing/index.ts";
import { type Operation } from "../../../src/testing/faults.ts";
import { type MachineSuite, type Model } from "../suite.ts";

/** What is found on the disk. */
type Found = "sound" | "piece" | "meta" | "everything" | "older" | "newer";

interface World {
  found: Found;
  /** There is no connection. */
  lost: boolean;
  /** Memory has taken over what was there. */
  loaded: boolean;
  /** It left something out. */
  kept: boolean;
  /** What memory misses is folded. */
  folded: boolean;
  /** Why it is no longer used. */
  over: "outdated" | "load_failed" | null;
}

const [readDone, readFailed] = ["xstate.done.actor.read", "xstate.error.actor.read"];
const replayDone = "xstate.done.actor.replay";
const doneOf: Readonly<Record<string, Operation>> = {
  repair: "repair",
  migrate: "claim",
  quarantine: "quarantine",
};
const services = Object.keys(doneOf);
const found = { damaged: 0, tag: "read" } as const;

/** What such data is read as. */
const reports: readonly (readonly [Found, object])[] = [
  ["sound", found],
  ["piece", { ...found, damaged: 1 }],
  ["meta", { tag: "damaged" }],
  ["everything", { tag: "damaged" }],
  ["older", { tag: "older" }],
  ["newer", { tag: "newer" }],
];

const failing = (service: string, kind: FaultKind): PathCase => ({
  type: `xstate.error.actor.${service}`,
  title: `${service} ${kind}`,
  error: { kind },
});
const kindOf = ({ error }: PathCase): FaultKind => (error as { readonly kind: FaultKind }).kind;

/** `empty`: nothing is stored, so that the first thing to do is a write. */
function modelOf(name: string, empty: boolean): Model {
  const world: World = {
    found: "sound",
    lost: true,
    loaded: false,
    kept: false,
    folded: false,
    over: null,
  };
  return {
    name,
    input: { owner: createEmptyActor() },
    world,
    open: { version: 2 },
    // Again and again it leads to where nothing is read.
    ...(!empty && { ends: ["load.repaired"] }),
    cases: [
      ...reports.map(([what, output]): PathCase => ({
        type: readDone,
        title: `read ${what}`,
        output,
        world: { found: what },
      })),
      { type: readDone, title: "read what memory is ahead of", output: found, how: "ahead" },
      { type: readDone, title: "read, and replayed without a clock", output: found, how: "broken" },
      failing("read", "lost"),
      failing("read", "aborted"),
      failing("read", "quota"),
      { type: "xstate.done.actor.repair", title: "repaired", output: true },
      { type: "xstate.done.actor.repair", title: "not repaired", output: false },
      failing("repair", "refused"),
      failing("repair", "aborted"),
      failing("migrate", "aborted"),
      failing("quarantine", "quota"),
      failing("quarantine", "aborted"),
      { type: "gap.found", position: 1 },
      { type: "gap.found", title: "gap.found, and folded", position: 1, how: "folded" },
    ],
    identify: (context) => {
      const { mode, attempts, careful, repairs, wanted } = context as Context;
      return [mode, Math.min(attempts, 6), careful, repairs, Math.min(wanted, 1)];
    },
    filter({ type, ...event }: PathCase, state: PathState) {
      const it = state.world as World;
      const { attempts, careful, repairs } = state.context as Context;
      // One kind of trouble at a time, and after the first load only what does not happen before.
      const isFresh = attempts + repairs === 0;
      if (type === readDone && !isFresh && event["world"] !== undefined) {
        const { found: now } = event.world as World;
        if (now !== "sound" && (attempts > 0 || now !== "meta")) return false;
      }
      if (type === "storage.opened") return it.lost;
      if (type === "storage.lost") return !it.lost;
      if (it.lost || type.startsWith("xstate.done.actor.replay")) return false;
      if (type === "gap.found") {
        const isFolded = event["how"] === "folded";
        if (state.value === "ready") return !isFolded || !it.folded;
        return it.loaded && state.value === "reading" && !isFolded;
      }
      if (type === readFailed) {
        const kind = kindOf({ type, ...event });
        if (it.loaded || repairs > 0 || it.found !== "sound") return false;
        if (empty) return kind === "quota" && isFresh;
        // Again and again, from the first time on.
        if (attempts === 1 && careful) return false;
        return kind === "aborted" || (kind === "lost" && isFresh);
      }
      if (type === readDone) {
        if (empty) return false;
        if (event["how"] === "ahead") return it.folded;
        const { found: now } = (event.world ?? { found: "sound" }) as World;
        return it.found === now || (it.found === "sound" && !it.loaded);
      }
      if (type === "xstate.done.actor.repair")
        return event["output"] === (it.found !== "everything");
      // By itself, and not by failures of other kinds.
      if (type.includes(".readDeadline.")) return isFresh;
      return type !== "xstate.error.actor.replay";
    },
    react({ event, to, tids }, context): PathCase | void {
      const { wanted } = context as Context;
      if (to === "outdated") world.over = "outdated";
      if (to === "failed") world.over = "load_failed";
      if (event["how"] === "folded") world.folded = true;
      const took = (pattern: RegExp): boolean => tids.some((tid) => pattern.test(tid));
      if (event.type === "storage.opened") world.lost = false;
      if (event.type === "storage.lost") world.lost = true;
      if (took(/\.(repaired|migrated|quarantined|noSpaceToKeep)$/)) {
        world.kept ||= world.found === "piece";
        world.found = "sound";
      }
      if (took(/\.(replayed|behind)$/)) {
        world.loaded = true;
        world.folded = false;
      }
      // Whoever waited for an answer in vain doubts the connection: it is dropped.
      if (took(/(Hung|Doubtful)$/)) return { type: "storage.lost" };
      if (!took(/\.(sound|quarantined|noSpaceToKeep)$/)) return;
      if (event["how"] === "broken") return { type: "xstate.error.actor.replay" };
      const output = event["how"] === "ahead" ? -1 : wanted > 0 ? 0 : 1;
      return { type: replayDone, output };
    },
  };
}

const writes: ReadonlySet<Operation> = new Set<Operation>([
  "append",
  "ensure",
  "initialise",
  "claim",
  "lead",
  "quarantine",
]);
const unread = /\.(readLost|readFailed|gaveUp|unreadable|beyondRepair|repairRefused|newer)$/;

const held: readonly Operation[] = ["open", "read", "claim", "repair", "quarantine"];

/** Where it comes to without any more trouble. */
function endOf({ over, found: what }: World): string {
  if (over === "load_failed" || what === "everything") return "failed";
  return over ?? (what === "newer" ? "outdated" : "ready");
}

export const loadSuite: MachineSuite = {
  machine: loadMachine,
  models: [modelOf("something stored", false), modelOf("nothing stored", true)],

  async prepare({ open, disk, lock, rival }, model) {
    for (const operation of held) await disk.hold(operation);
    await open(model.open);
    if (model.name === "something stored") await rival.works();
    await lock.rivalAsks();
  },

  async change({ damage }, change) {
    const how = {
      piece: damage.record,
      meta: damage.meta,
      everything: damage.everything,
      older: damage.older,
      newer: damage.newer,
    }[(change as World).found as Exclude<Found, "sound">];
    await (how as (() => Promise<void>) | undefined)?.();
  },

  drive: {
    "storage.opened": async ({ disk }, _, wait) => {
      await disk.release("open");
      await wait();
      await disk.hold("open");
    },
    "storage.lost": ({ disk }) => disk.close(),
    "gap.found": async ({ rival }, { event }) => {
      if (event["how"] === "folded") await rival.works(true);
      await rival.tells(1);
    },
    [readDone]: async ({ disk, time, rival, lock }, { event }) => {
      if (event["how"] === "broken") await time.breakNow();
      if (event["how"] === "ahead") {
        // What it missed is folded: it reads all that there is.
        await disk.answer("read");
        await time.settle();
        await disk.take("read");
        await time.settle();
        // It becomes the leader meanwhile, and reads what there is by then.
        await rival.works();
        await disk.release("claim");
        await lock.rivalLeaves();
        await time.settle();
        await disk.answerLast("read");
        await time.settle();
      }
      await disk.answer("read");
    },
    [readFailed]: async ({ disk }, { event }) => {
      const kind = kindOf(event);
      if (kind === "quota") await disk.failNext("initialise", kind);
      await disk.answer("read", kind === "quota" ? undefined : kind);
    },
    ...Object.fromEntries(
      services.flatMap((service) => {
        const operation = doneOf[service] as Operation;
        // A repair reads first.
        const answer: MachineSuite["drive"][string] = async ({ disk, time }, { event }) => {
          await disk.answer("read");
          await time.settle();
          await disk.answer(operation, event["error"] === undefined ? undefined : kindOf(event));
        };
        return [
          [`xstate.done.actor.${service}`, answer],
          [`xstate.error.actor.${service}`, answer],
        ];
      }),
    ),
  },

  check({ status, ready, gate, rows, quarantine, asked }, _, { world, tids }) {
    const { loaded, lost, kept, over } = world as World;
    expect(ready).toBe(loaded ? "resolved" : (over ?? "pending"));
    expect(gate).toBe(over ?? (loaded ? "open" : "not_ready"));
    const phase = loaded ? (lost ? "degraded" : "ready") : "loading";
    expect(status?.phase).toBe(over === "load_failed" ? "failed" : (over ?? phase));
    if (over !== null) expect(status?.fault?.code).toBe(over);
    if (loaded) {
      expect(rows.map(({ id }) => id)).toContain("work-1");
      expect(quarantine.some((id) => id.startsWith("log/"))).toBe(kept);
      expect(status?.quarantined).toBe(quarantine.length);
    }
    // A read error is not an empty database.
    if (tids.some((tid) => unread.test(tid)))
      expect(asked.filter((it) => writes.has(it))).toEqual([]);
  },

  // When nothing is in its way any more it reads what there is, and by that whether what was said to be done was done.
  async atEnd({ disk, time, read, taken }, last) {
    const world = last.world as World;
    await taken();
    for (const operation of held) await disk.release(operation);
    await time.pass(10_000);
    const { status, rows, quarantine, works } = await read();
    expect(status?.phase).toBe(endOf(world));
    if (endOf(world) !== "ready") return;
    expect(rows).toEqual(
      Array.from({ length: works }, (_, at) => ({
        id: `work-${at + 1}`,
        text: "Milk",
        done: false,
      })),
    );
    expect(quarantine.some((id) => id.startsWith("log/"))).toBe(
      world.kept || world.found === "piece",
    );
    // What was mended before is not found again.
    const tids = await taken();
    expect(tids.includes("load.metaDamaged")).toBe(world.found === "meta");
    expect(tids.includes("load.older")).toBe(world.found === "older");
  },
};
