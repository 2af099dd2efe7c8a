import { expect, test } from "vitest";
import { createFollower } from "../../src/follower.ts";
import { type LogRecord } from "../../src/model/log.ts";
import { definition, event } from "./app.ts";
import { type World, createWorld } from "./simulation.ts";

function start(tabs: number) {
  const world = createWorld(2);
  const opened = Array.from({ length: tabs }, () => world.open());
  const [leader, other] = opened as [World["tabs"][0], World["tabs"][0]];
  leader.lead();
  return { world, leader, other };
}
function fill(tab: World["tabs"][0], ids: readonly string[]): void {
  for (const id of ids) tab.commit([event("put", { id })]);
  tab.finish();
}
const decideAndFold = (tab: World["tabs"][0]): void => {
  while (tab.decide(10_000, undefined));
  tab.fold(false);
};

test("takes over two pictures that were read at one time without counting a segment twice", () => {
  const { world, leader, other } = start(2);
  fill(leader, ["a", "b", "c"]);
  decideAndFold(leader);
  other.hold();
  other.catchUp(true);
  other.adoptHeld();
  expect(other.follower.index.segments("one").map(({ no }) => no)).toEqual([1, 2]);
  other.lead();
  fill(other, ["aa"]);
  decideAndFold(other);
  world.open();
  world.check();
});

test("does not take over a picture whose segments were folded away meanwhile", () => {
  const { world, leader, other } = start(2);
  fill(leader, ["a", "b", "c"]);
  decideAndFold(leader);
  other.catchUp(true);
  leader.commit([event("set", { id: "b", x: 7 })]);
  leader.finish();
  leader.decide(10_000, undefined);
  other.hold();
  leader.fold(false);
  other.catchUp(true);
  // A fold adds no record: the held picture reaches as far, but says another base.
  other.adoptHeld();
  world.check();
  other.lead();
  fill(other, ["d"]);
  decideAndFold(other);
  expect(world.open().follower.replica.tables.get("one")?.rows.size).toBe(4);
  world.check();
});

test("keeps a commit that waits and one in flight through a reload, and tells those that others folded", () => {
  const { world, leader, other } = start(2);
  fill(leader, ["a"]);
  other.catchUp(false);
  other.commit([event("put", { id: "folded" })]);
  other.take();
  other.write(0);
  other.commit([event("put", { id: "flies" })]);
  other.take();
  other.commit([event("put", { id: "waits" })]);
  leader.catchUp(false);
  decideAndFold(leader);
  other.catchUp(true);
  world.check();
  expect(Array.from(other.decisions.values())).toEqual(["accepted"]);
  expect(other.follower.replica.overlay.length).toBe(2);
  world.converge();
});

test("ignores records until the first load is done", () => {
  const told: unknown[] = [];
  const follower = createFollower({
    definition,
    tab: "t",
    schema: 1,
    publish: (changes) => told.push(changes),
    publishAll: () => undefined,
    keep: ({ key: id, ...rest }) => Object.assign(rest, { id, at: 0 }),
    settle: () => undefined,
    signal: (signal) => told.push(signal),
  });
  const put = follower.startStream();
  put("one", Object.freeze({ id: "a", x: 1 }));
  const record: LogRecord = {
    kind: "commit",
    tab: "other",
    n: 1,
    schema: 1,
    events: [event("set", { id: "a", x: 2 })],
  };
  follower.receive(1, record);
  expect(follower.position()).toBe(0);
  expect(follower.replica.tables.get("one")?.rows.get("a")).toEqual({ id: "a", x: 1 });
  expect(told).toEqual([{ type: "gap.found", position: 1 }]);
});

test("does not fold for a row that left the quarantine of an unknown table", () => {
  const { leader } = start(1);
  fill(leader, ["a"]);
  leader.follower.receive(leader.follower.position() + 1, {
    kind: "dismiss",
    tab: "other",
    n: 1,
    schema: 1,
    from: "quarantine",
    ids: ["row/gone/x", "row/one/y/z"],
  });
  expect(Array.from(leader.follower.index.moved.keys())).toEqual(["one"]);
  expect(Array.from(leader.follower.index.moved.get("one")?.keys() ?? [])).toEqual(["y/z"]);
});

test("is outdated by a record of newer code, and takes nothing in from it", () => {
  const { leader } = start(1);
  const at = leader.follower.position() + 1;
  leader.follower.receive(at, {
    kind: "commit",
    tab: "other",
    n: 1,
    schema: 2,
    events: [event("put")],
  });
  expect(leader.follower.position()).toBe(at - 1);
});

test("does not go back to a picture that is older than memory", () => {
  const { world, leader, other } = start(2);
  fill(leader, ["a"]);
  other.hold();
  fill(leader, ["b"]);
  // Memory gets `b` with a whole picture, not as a record of its own: nothing bridges the two.
  other.catchUp(true);
  const position = other.follower.position();
  other.adoptHeld();
  expect(other.follower.position()).toBe(position);
  expect(other.follower.replica.tables.get("one")?.rows.size).toBe(2);
  world.check();
});

test("bridges a picture that is older than memory with the records that came since", () => {
  const { world, leader, other } = start(2);
  fill(leader, ["a"]);
  other.hold();
  other.catchUp(false);
  fill(leader, ["b"]);
  other.catchUp(false);
  other.adoptHeld();
  expect(other.follower.position()).toBe(leader.follower.position());
  world.check();
});
