import { describe, expect, test } from "vitest";
import {
  decodeErrorBody,
  decodeInfo,
  decodeLiveEvent,
  decodePullResponse,
  decodePushRequest,
  decodePushResponse,
  decodeSnapshotPage,
  decodeSyncResponse,
  isCursor,
  isSpace,
} from "../../src/protocol/index.ts";

const event = (seq: number, more: object = {}) => ({
  id: `event-0${seq}`,
  seq,
  name: "todoAdded",
  payload: { id: "t1", constructor: "plain" },
  at: 1,
  ...more,
});
const entry = (pos: number, more: object = {}) => ({ pos, ts: 5, ...more });
const page = (entries: readonly object[], more: object = {}) => ({
  mode: "log",
  epoch: "e1",
  from: null,
  cursor: "c-9",
  pos: 9,
  head: 9,
  more: false,
  entries,
  ...more,
});

/** Where it is wrong; undefined when it is right. */
const pathOf = (parsed: { readonly value: unknown } | { readonly issue: { path: string } }) =>
  "issue" in parsed ? parsed.issue.path : undefined;

const pushOf = (...txs: object[]) => ({
  client: "client-01",
  events: txs.map((it, index) => event(index + 1, it)),
});
const accepted = (seq: number) => ({ id: `event-0${seq}`, status: "accepted", pos: seq });
const live = (data: object) => decodeLiveEvent({ event: "page", id: "c-9", data });

describe("a push", () => {
  test("leaves out what it does not know, and keeps the payload as it is", () => {
    const request = { client: "client-01", events: [event(1, { by: "me", pos: 7 })], extra: 1 };
    expect(decodePushRequest(request)).toEqual({
      value: { client: "client-01", events: [event(1)] },
    });
  });

  test.each([
    ["no event", { client: "client-01", events: [] }, "$.events"],
    ["an id with a line break", { client: "client\r\n1", events: [event(1)] }, "$.client"],
    ["number 0", { client: "client-01", events: [event(0)] }, "$.events[0].seq"],
    ["number 2^53", { client: "client-01", events: [event(2 ** 53)] }, "$.events[0].seq"],
    [
      "the name of a prototype",
      { client: "client-01", events: [event(1, { name: "constructor" })] },
      "$.events[0].name",
    ],
    ["not an object", null, "$"],
  ])("with %s is refused", (_, request, path) => {
    expect(pathOf(decodePushRequest(request))).toBe(path);
  });

  test("has the events of one commit side by side", () => {
    const [a, b] = [{ tx: "commit-a" }, { tx: "commit-b" }];
    expect(pathOf(decodePushRequest(pushOf(a, a, b, {})))).toBeUndefined();
    expect(pathOf(decodePushRequest(pushOf(a, b, a)))).toBe("$.events[2].tx");
    expect(pathOf(decodePushRequest(pushOf(a, {}, a)))).toBe("$.events[2].tx");
  });
});

describe("results of a push", () => {
  const sent = [event(1), event(2)];
  const response = (results: readonly object[], more: object = {}) =>
    decodePushResponse({ epoch: "e1", head: 2, results, ...more }, sent);

  test("are on all events, or on the first ones when it was stopped", () => {
    expect(pathOf(response([accepted(1), accepted(2)]))).toBeUndefined();
    expect(pathOf(response([accepted(1)]))).toBe("$.results");
    expect(pathOf(response([accepted(1)], { stopped: { code: "unavailable" } }))).toBeUndefined();
  });

  test("are not on other events", () => {
    expect(pathOf(response([accepted(2), accepted(1)]))).toBe("$.results[0].id");
    expect(pathOf(response([accepted(1), accepted(2), accepted(3)]))).toBe("$.results[2].id");
  });

  test("can have a code that is not known, but no such status", () => {
    const [first, second] = sent;
    const rejected = { id: second?.id, status: "rejected", error: { code: "quota" } };
    expect(pathOf(response([accepted(1), rejected]))).toBeUndefined();
    expect(pathOf(response([{ id: first?.id, status: "parked" }]))).toBe("$.results[0].status");
  });
});

describe("a page", () => {
  test("has positions that rise, up to its own, which is not above the head", () => {
    expect(pathOf(decodePullResponse(page([entry(1), entry(4), entry(9)])))).toBeUndefined();
    expect(pathOf(decodePullResponse(page([entry(4), entry(4)])))).toBe("$.entries[1].pos");
    expect(pathOf(decodePullResponse(page([entry(10)])))).toBe("$.entries[0].pos");
    expect(pathOf(decodePullResponse(page([], { head: 8 })))).toBe("$.pos");
  });

  test("has the entries of one commit side by side", () => {
    const tx = { tx: "commit-a" };
    expect(
      pathOf(decodePullResponse(page([entry(1, tx), entry(2, tx), entry(3)]))),
    ).toBeUndefined();
    expect(pathOf(decodePullResponse(page([entry(1, tx), entry(2), entry(3, tx)])))).toBe(
      "$.entries[2].tx",
    );
  });

  test("of a snapshot keeps every property of a row", () => {
    const row = JSON.parse(`{"id":"a","constructor":"x","prototype":1}`) as unknown;
    const { entries: _, ...rest } = page([]);
    const value = { ...rest, mode: "snapshot", data: { items: [row] }, next: null, snapshot: "s1" };
    expect(decodeSnapshotPage(value)).toMatchObject({ value: { data: { items: [row] } } });
    expect(pathOf(decodePullResponse(value))).toBeUndefined();
    const bad = { ...value, data: { items: [{ title: "no id" }] } };
    expect(pathOf(decodeSnapshotPage(bad))).toBe("$.data.items[0]");
  });

  test("of a mode that is not known is refused", () => {
    expect(pathOf(decodePullResponse(page([], { mode: "delta" })))).toBe("$.mode");
  });

  test("in a live event is checked as one of a pull", () => {
    expect(pathOf(live(page([entry(1)])))).toBeUndefined();
    expect(pathOf(live(page([entry(2), entry(1)])))).toBe("$.entries[1].pos");
  });
});

describe("other messages", () => {
  test("of errors can have codes and reasons that are not known", () => {
    const error = { code: "teapot", reason: "boiling", retryAfter: 3 };
    expect(decodeErrorBody({ error })).toEqual({ value: { error } });
    expect(pathOf(decodeErrorBody("<html>"))).toBe("$");
    expect(pathOf(decodeErrorBody({ error: { code: "<script>" } }))).toBe("$.error.code");
  });

  test("of queries hold rows or actions", () => {
    const action = { type: "update", tableName: "items", value: { id: "a", n: 1 } };
    expect(decodeSyncResponse({ mode: "actions", data: [action] })).toEqual({
      value: { mode: "actions", data: [action] },
    });
    const odd = { ...action, tableName: "__proto__" };
    expect(pathOf(decodeSyncResponse({ mode: "actions", data: [odd] }))).toBe(
      "$.data[0].tableName",
    );
    expect(pathOf(decodeSyncResponse({ mode: "snapshot", data: { items: [{ id: "" }] } }))).toBe(
      "$.data.items[0]",
    );
  });

  test("of a server's abilities name at least one version", () => {
    expect(pathOf(decodeInfo({ protocol: [] }))).toBe("$.protocol");
  });

  test("in addresses and headers are cursors and spaces, or not", () => {
    expect(["abc_-.~9", "", "a b", "a".repeat(257), null].map(isCursor)).toEqual([
      true,
      false,
      false,
      false,
      false,
    ]);
    expect(["me", "..", ".", "a/b", "a".repeat(129)].map(isSpace)).toEqual([
      true,
      false,
      false,
      false,
      false,
    ]);
  });
});
