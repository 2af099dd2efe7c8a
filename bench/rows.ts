/** What every contender stores: rows of about 250 bytes of JSON, the same ones in every run, and the events about them. */
import * as v from "valibot";

export const rowSchema = v.object({
  id: v.string(),
  title: v.string(),
  notes: v.string(),
  owner: v.string(),
  done: v.boolean(),
  priority: v.number(),
  updatedAt: v.number(),
});
export type Row = v.InferOutput<typeof rowSchema>;

export const payloadSchemas = {
  rowsAdded: v.object({ rows: v.array(rowSchema) }),
  rowAdded: v.object({ row: rowSchema }),
  rowTouched: v.object({ id: v.string(), updatedAt: v.number() }),
};

type EventOf<Name extends keyof typeof payloadSchemas> = {
  readonly name: Name;
  readonly payload: v.InferOutput<(typeof payloadSchemas)[Name]>;
};
export type BenchEvent = EventOf<"rowsAdded"> | EventOf<"rowAdded"> | EventOf<"rowTouched">;

/** Small, fast and seeded (mulberry32): the same seed gives the same rows. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const words =
  `amet blue call draft early fence garden house invoice jacket kettle ladder market never order paper quiet river
  simple table under visit water yellow zebra about before coffee dinner every friday`.split(/\s+/);

const start = 1_750_000_000_000;

/**
 * `count` rows in the order of their ids, which sort by time as UUIDv7 do. A higher seed gives other rows of a later
 * time, so that what is added to a database comes after what is in it, as in an app.
 */
export function makeRows(count: number, seed: number): Row[] {
  const random = randomFrom(seed);
  const pick = (below: number): number => Math.floor(random() * below);
  const text = (length: number): string =>
    Array.from({ length }, () => words[pick(words.length)]).join(" ");
  const hex = (length: number): string =>
    Array.from({ length }, () => pick(16).toString(16)).join("");
  const rows = Array.from({ length: count }, (_, index): Row => {
    const time = (start + seed * 1_000_000 + index).toString(16).padStart(12, "0");
    return {
      id: `${time.slice(0, 8)}-${time.slice(8)}-7${hex(3)}-8${hex(3)}-${hex(12)}`,
      title: text(4),
      notes: text(14),
      owner: `user-${pick(500)}`,
      done: random() < 0.5,
      priority: pick(5),
      updatedAt: start + index * 1000,
    };
  });
  // As rows that a server sent: their strings are flat, and nobody's turn is charged for putting them together.
  return JSON.parse(JSON.stringify(rows)) as Row[];
}
