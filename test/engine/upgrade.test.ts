/** Any history of tabs of several versions comes to what its commits say, in the order of the log. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { hold } from "../support/faulty-storage.ts";
import { createLab, stateOf } from "../support/lab.ts";
import {
  type People,
  type Version,
  aged,
  leaves,
  migrated,
  openPeople,
  people,
  readyPeople,
  saved,
  versionsOf,
  worded,
} from "../support/versions.ts";

type Fact = { readonly who: string } & (
  | { readonly what: "saved"; readonly name: string; readonly age: number }
  | { readonly what: "aged"; readonly by: number }
  | { readonly what: "left" }
);

const eventOf = (version: Version, fact: Fact) => {
  if (fact.what === "saved") return saved(version, fact.who, fact.name, fact.age);
  return fact.what === "aged" ? aged(fact.who, fact.by) : leaves(fact.who);
};

/** The reference: no log, no tabs, no versions. */
function rowsOf(facts: readonly Fact[]): unknown[] {
  const rows = new Map<string, { readonly name: string; readonly age: number }>();
  for (const fact of facts) {
    const row = rows.get(fact.who);
    if (fact.what === "saved") rows.set(fact.who, fact);
    else if (fact.what === "left") rows.delete(fact.who);
    else if (row !== undefined) rows.set(fact.who, { ...row, age: row.age + fact.by });
  }
  return Array.from(rows, ([id, { name, age }]) => ({ id, age, ...worded(3, name) })).toSorted(
    (a, b) => (a.id < b.id ? -1 : 1),
  );
}

const who = fc.constantFrom("a", "b", "c", "d", "e");
const fact: fc.Arbitrary<Fact> = fc.oneof(
  fc.record({
    what: fc.constant("saved" as const),
    who,
    name: fc.constantFrom("Ann Lee", "Bob May", "Cy Orr"),
    age: fc.nat(90),
  }),
  fc.record({ what: fc.constant("aged" as const), who, by: fc.nat(9) }),
  fc.record({ what: fc.constant("left" as const), who }),
);
const tab = fc.nat(4);
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("commit" as const), tab, fact }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("hold" as const), tab, fact }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("release" as const), tab }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("rest" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("kill" as const), tab }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("open" as const),
      version: fc.constantFrom<Version>(1, 2, 3),
    }),
  },
);

const refuses = ({ sync }: People, event: ReturnType<typeof eventOf>): void =>
  expect(() => sync.commit(event)).toThrow(expect.objectContaining({ code: "outdated" }));

const stored = async (durable: Promise<void>): Promise<void> =>
  expect(await stateOf(durable)).toBe("resolved");

interface Running {
  readonly page: People;
  /** A commit whose write is held up. */
  held: { readonly fact: Fact; readonly durable: Promise<void>; release(): void } | undefined;
  /** It was held up for a rest already. */
  rested: boolean;
}

test(
  "G5 G13 an upgrade among commits of older and newer tabs gives what they say",
  { timeout: 120_000 },
  async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 8, maxLength: 30 }),
        fc.nat(1000),
        async (steps, seed) => {
          const lab = createLab({ seed });
          const facts: Fact[] = [];
          const tabs: Running[] = [
            { page: await readyPeople(lab, 1), held: undefined, rested: false },
          ];
          const pick = (at: number): Running | undefined => tabs[at % Math.max(1, tabs.length)];

          async function release(it: Running): Promise<void> {
            const { held } = it;
            if (held === undefined) return;
            it.held = undefined;
            it.rested = false;
            facts.push(held.fact);
            held.release();
            await lab.settle();
            await stored(held.durable);
          }

          async function commit(it: Running, what: Fact, held: boolean): Promise<void> {
            // What comes after one that is held up would be held up as well.
            if (it.held !== undefined) await release(it);
            const { page } = it;
            const event = eventOf(page.version, what);
            if (page.sync.status.phase === "outdated") {
              refuses(page, event);
              return;
            }
            const write = hold();
            if (held) page.disk.next("append", write.fault);
            const { durable } = page.sync.commit(event);
            await lab.settle();
            if (held) it.held = { fact: what, durable, release: write.release };
            else {
              facts.push(what);
              await stored(durable);
            }
          }

          for (const it of steps) {
            const running = "tab" in it ? pick(it.tab) : undefined;
            if (it.do === "rest") {
              // What is held up for two of them would be written by somebody else: its tab tries again after 5 s.
              for (const one of tabs) if (one.rested) await release(one);
              await lab.pass(3000);
              for (const one of tabs) one.rested = one.held !== undefined;
            } else if (it.do === "open") {
              const page = openPeople(lab, it.version);
              await lab.settle();
              // Or newer data is there already.
              if (page.sync.status.phase === "ready")
                tabs.push({ page, held: undefined, rested: false });
            } else if (running === undefined) continue;
            else if (it.do === "commit") await commit(running, it.fact, false);
            else if (it.do === "hold") await commit(running, it.fact, true);
            else if (it.do === "release") await release(running);
            else {
              running.page.kill();
              tabs.splice(tabs.indexOf(running), 1);
            }
          }
          for (const it of tabs) await release(it);
          const last = await readyPeople(lab, 3);
          const rows = rowsOf(facts);
          expect(people(last)).toEqual(rows);
          await lab.pass(8000);
          await migrated(lab, last);
          await lab.pass(8000);
          const all = [last, await readyPeople(lab, 3), ...tabs.map(({ page }) => page)];
          for (const page of all) {
            expect(page.sync.status.phase).toBe(page.version === 3 ? "ready" : "outdated");
            expect(page.sync.status.rejected).toBe(0);
          }
          for (const page of all.filter(({ version }) => version === 3))
            expect(people(page)).toEqual(rows);
          expect((await lab.contents())["log"]).toEqual([]);
          expect((await versionsOf(lab)).filter((version) => version !== 3)).toEqual([]);
        },
      ),
      { numRuns: 30 },
    );
  },
);
