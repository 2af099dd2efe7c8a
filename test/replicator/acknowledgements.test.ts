/** docs/decisions/0009-numbers.md, about what an acknowledgement is worth. Answers are written here by hand. */
import { expect, test } from "vitest";
import { type EventResult, type LogPage, type PushRequest } from "../../src/protocol/index.ts";
import { event } from "../model/app.ts";
import { type Tab, createDisk, openTab } from "./tab.ts";

const limits = { events: 100, bytes: 1_000_000, most: 100 };

async function start(): Promise<Tab> {
  const tab = await openTab(createDisk());
  await tab.lead();
  return tab;
}

async function put(tab: Tab, ...units: Parameters<Tab["commit"]>[0][]): Promise<void> {
  for (const unit of units) tab.commit(unit);
  await tab.flush();
}

async function attempt(tab: Tab): Promise<PushRequest> {
  const attempted = await tab.replicator.attempt(limits);
  if (attempted.tag !== "send") throw new Error(`Expected something to send, got ${attempted.tag}`);
  return attempted.request;
}

const accepted = ({ events }: PushRequest, first: number): EventResult[] =>
  events.map(({ id }, at) => ({ id, status: "accepted", pos: first + at }));
const answer = (
  results: readonly EventResult[],
  stopped?: { code: string; expected?: number },
) => ({
  epoch: "e1",
  head: 9,
  results: [...results],
  ...(stopped === undefined ? {} : { stopped }),
});
const page = (from: string | null, pos: number, ids: readonly string[] = []): LogPage => ({
  mode: "log",
  epoch: "e1",
  from,
  cursor: `c-${pos}`,
  pos,
  head: pos,
  more: false,
  entries: ids.map((id, at) => ({ id, pos: pos - ids.length + 1 + at, ts: 1 })),
});
const idsOf = ({ events }: PushRequest): string[] => events.map(({ id }) => id);

test("G3 sends a commit again as a whole when the log passes the first of its positions without it", async () => {
  const tab = await start();
  const unit = [event("put", { id: "a" }, "commit-01"), event("put", { id: "b" }, "commit-01")];
  const later = event("put", { id: "c" });
  await put(tab, unit, [later]);
  const sent = await attempt(tab);
  await tab.replicator.answered(sent, answer(accepted(sent, 1)));
  expect(tab.replicator.look()).toMatchObject({ undecided: 0, unseen: 3 });
  // The log ends at 1, and is another one than it was.
  await tab.replicator.pulled(page(null, 1));
  expect(await attempt(tab)).toMatchObject({
    events: [
      { id: unit[0]?.id, seq: 1, tx: "commit-01" },
      { id: unit[1]?.id, seq: 2, tx: "commit-01" },
      { id: later.id, seq: 3 },
    ],
  });
});

test("G3 sends from the beginning of a commit when the server expects a number within it", async () => {
  const tab = await start();
  const unit = [event("put", { id: "a" }, "commit-01"), event("put", { id: "b" }, "commit-01")];
  await put(tab, unit);
  const first = await attempt(tab);
  await tab.replicator.answered(first, answer(accepted(first, 5)));
  await put(tab, [event("put", { id: "c" })]);
  const second = await attempt(tab);
  expect(second.events).toMatchObject([{ seq: 3 }]);
  const gap = answer([], { code: "sequence_gap", expected: 2 });
  expect(await tab.replicator.answered(second, gap)).toBe("resend");
  expect(idsOf(await attempt(tab))).toEqual([...idsOf(first), ...idsOf(second)]);
});

test("G5 takes no acknowledgement of a number that an event does not have any more", async () => {
  const tab = await start();
  await put(tab, [event("put", { id: "a" })]);
  const first = await attempt(tab);
  await tab.replicator.rotate();
  expect(await tab.replicator.answered(first, answer(accepted(first, 1)))).toBe("nothing");
  await put(tab, [event("put", { id: "b" })]);
  const { client, events } = await attempt(tab);
  expect(client).not.toBe(first.client);
  expect(events).toMatchObject([{ id: first.events[0]?.id, seq: 1 }, { seq: 2 }]);
});
