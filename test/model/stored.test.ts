import * as fc from "fast-check";
import { expect, test } from "vitest";
import { maxDepth } from "../../src/model/json.ts";
import { type LogRecord } from "../../src/model/log.ts";
import { encodeRecord } from "../../src/model/packed.ts";
import {
  decodeMeta,
  decodeRecord,
  decodeRejected,
  format,
  freshMeta,
} from "../../src/model/stored.ts";
import { type Json, toJson } from "../../src/model/json.ts";

const head = { tab: "t", n: 1, schema: 1 };
const event = (payload: Json) => ({ id: "e", name: "added", v: 1, payload, at: 1 });
const commit = (payload: Json): LogRecord => ({
  kind: "commit",
  ...head,
  events: [event(payload)],
});
const base: LogRecord = {
  kind: "base",
  ...head,
  term: 1,
  settled: { position: 1, index: 0 },
  changes: [
    ["t", "a", { id: "a", x: 1 }, 1],
    ["t", "b", null, 1],
  ],
  keys: [["added", "k", "e"]],
  rejected: [{ event: event({}), code: "conflict", message: "no" }],
  superseded: ["e2"],
};
const deep = (levels: number): Json => (levels === 0 ? 1 : { deeper: deep(levels - 1) });
const many = (value: Json): Json => Array.from({ length: 64 }, () => value);
const deepFrozen = (value: unknown): boolean =>
  typeof value !== "object" ||
  value === null ||
  (Object.isFrozen(value) && Object.values(value).every(deepFrozen));

test("reads back every kind of record, frozen", () => {
  const dismiss: LogRecord = { kind: "dismiss", ...head, from: "rejected", ids: ["e"] };
  for (const record of [commit({ a: [1] }), base, dismiss]) {
    const read = decodeRecord(structuredClone(record));
    expect(read).toStrictEqual(record);
    expect(deepFrozen(read)).toBe(true);
  }
});

test("reads back payloads and rows as deep as commit takes them", () => {
  const payload = deep(maxDepth);
  expect(toJson(payload)).toHaveProperty("value");
  expect(decodeRecord(structuredClone(commit(payload)))).toStrictEqual(commit(payload));
  const row = { id: "a", x: deep(maxDepth - 1) };
  const record: LogRecord = {
    ...base,
    changes: [["t", "a", row, 1]],
    rejected: [{ event: event(payload), code: "conflict", message: "" }],
  };
  expect(decodeRecord(structuredClone(record))).toStrictEqual(record);
  expect(decodeRejected(structuredClone(record.rejected[0]))).toStrictEqual(record.rejected[0]);
});

test("packs and unpacks long lists of any objects without a change", () => {
  const mark = "\u0000columns";
  const payloads: readonly Json[] = [
    many({ a: 1, b: "x" }),
    { list: many({ a: 1 }), other: 2 },
    many({}),
    { list: many({}), x: 1 },
    { list: many({ a: 1 }), decoy: { [mark]: [["a"], [1]] } },
    { list: many({ [mark]: 1 }) },
    { [mark]: many({ a: 1 }) },
    many(1),
    many([1]),
    [...(many({ a: 1 }) as Json[]), { b: 1 }],
  ];
  for (const payload of payloads) {
    const stored = structuredClone(encodeRecord(commit(payload)));
    expect(decodeRecord(stored)).toStrictEqual(commit(payload));
  }
});

test("refuses records that are damaged", () => {
  const wrong: readonly unknown[] = [
    undefined,
    null,
    "commit",
    [],
    {},
    { ...commit({}), kind: "other" },
    { ...commit({}), tab: "" },
    { ...commit({}), n: -1 },
    { ...commit({}), n: 0.5 },
    { ...commit({}), schema: "1" },
    { ...commit({}), events: {} },
    { ...commit({}), events: [{ ...event({}), id: 1 }] },
    { ...commit({}), events: [{ ...event({}), payload: undefined }] },
    { ...commit({}), events: [{ ...event({}), payload: new Date(0) }] },
    { ...commit({}), events: [{ ...event({}), at: Infinity }] },
    { ...commit({}), events: [{ ...event(1), packed: true }] },
    { ...base, settled: { position: -1, index: 0 } },
    { ...base, changes: [["t", "a", { id: "b" }, 1]] },
    { ...base, changes: [["t", "a", [], 1]] },
    { ...base, changes: [["t", "a", { id: "a" }]] },
    { ...base, keys: [["added", "k"]] },
    { kind: "dismiss", ...head, from: "outbox", ids: [] },
  ];
  for (const value of wrong) expect(decodeRecord(value)).toBeUndefined();
});

test("never throws on junk", () => {
  const junk = fc.anything({
    withBigInt: true,
    withDate: true,
    withMap: true,
    withSparseArray: true,
  });
  const near = fc.record(
    {
      kind: fc.constantFrom("commit", "base", "dismiss"),
      tab: fc.constant("t"),
      n: fc.oneof(fc.constant(1), junk),
      schema: fc.constant(1),
      events: fc.oneof(
        junk,
        fc.array(
          fc.record({
            id: junk,
            name: fc.constant("a"),
            v: fc.constant(1),
            payload: junk,
            at: fc.constant(1),
            packed: fc.constant(true),
          }),
        ),
      ),
      changes: junk,
      settled: junk,
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(fc.oneof(junk, near), (value) => {
      const meta = new Map([...freshMeta(1, "i", "c"), ["manifest", value], ["writers", value]]);
      expect(() => [decodeRejected(value), decodeMeta(meta)]).not.toThrow();
      expect(deepFrozen(decodeRecord(value))).toBe(true);
    }),
  );
});

test("tells a newer format from unreadable meta", () => {
  expect(decodeMeta(freshMeta(1, "i", "c"))).toHaveProperty("meta.floor", 0);
  expect(decodeMeta(new Map<string, unknown>([["format", format + 1]]))).toEqual({
    newer: format + 1,
  });
  expect(decodeMeta(new Map())).toHaveProperty("reason");
  expect(decodeMeta(new Map([...freshMeta(1, "i", "c"), ["floor", "x"]]))).toHaveProperty("reason");
});

test("decides on an array without end at once", () => {
  const endless: unknown[] = [];
  endless.length = 2 ** 32 - 1;
  expect(decodeRecord({ ...commit(1), events: endless })).toBeUndefined();
  expect(decodeRecord({ ...base, changes: endless })).toBeUndefined();
  expect(decodeRecord(commit(endless as Json))).toBeUndefined();
});
