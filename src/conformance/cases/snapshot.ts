/** S1–S12: compaction, restarts and restores. They need the control plane. */
import { type SnapshotPage } from "../../protocol/index.ts";
import { type Case, type Trial } from "../case.ts";
import { diceOf } from "../dice.ts";
import { must, mustNotBeStored, same } from "../check.ts";
import { dump, emptyTables, fold } from "../fold.ts";
import { readSnapshot } from "../reader.ts";
import { errorOf } from "./http.ts";
import { mustReset, pushMany, rowsOf, someEvents } from "./pull.ts";

const compact = (t: Trial, space: string) => t.control("compact", { space });

/** The first page of a snapshot of a compacted space. */
async function firstPage(t: Trial, space: string): Promise<SnapshotPage> {
  const page = await t.page(space, { limit: 10 });
  must(
    "a snapshot where the log does not go back to its start",
    page.mode === "snapshot",
    page.mode,
  );
  return page;
}

/** A space with so many rows that they make more than one page, compacted. */
async function bigSpace(t: Trial): Promise<{ space: string; client: ReturnType<Trial["client"]> }> {
  const client = t.client(t.space());
  const title = "x".repeat(10 * 1024);
  await pushMany(t, client, Math.ceil((t.info.limits.pageBytes * 1.3) / title.length), title);
  await compact(t, client.space);
  return { space: client.space, client };
}

export const snapshotCases: readonly Case[] = [
  {
    id: "S1",
    title: "after compaction an older cursor needs a reset, and the answer is not cached",
    clause: "§7.4",
    level: "L2",
    needs: ["control"],
    async run(t) {
      const client = t.client(t.space());
      const { cursor } = await t.readAll(client.space);
      await pushMany(t, client, 10);
      const middle = await t.logPage(client.space, { cursor, limit: 5 });
      await compact(t, client.space);
      const answer = await t.pull(client.space, { cursor: middle.cursor });
      mustReset(answer, "expired");
      mustNotBeStored("a reset", answer.headers);
    },
  },
  {
    id: "S2",
    title: "after compaction a new reader gets a snapshot, which with the tail is all there was",
    clause: "§7.1",
    level: "L2",
    needs: ["control"],
    async run(t) {
      const client = t.client(t.space());
      const events = someEvents(client, 60, ["a", "b", "c", "d"], diceOf(t.effort.seed));
      await client.accept(events.slice(0, 40));
      await compact(t, client.space);
      await client.accept(events.slice(40));
      await firstPage(t, client.space);
      const made = events.map(({ name, payload }) => ({ pos: 1, ts: 0, name, payload }));
      same("the rows", rowsOf(await t.readAll(client.space)), dump(fold(emptyTables(), made)));
    },
  },
  {
    id: "S3",
    title: "the pages of a snapshot share a position, and can be fetched again",
    clause: "§8.1",
    level: "L2",
    needs: ["control"],
    async run(t) {
      const { space } = await bigSpace(t);
      const first = await firstPage(t, space);
      const { pages } = await readSnapshot(t.target, t.signal, space, first);
      for (const { pos, snapshot, cursor } of pages)
        same(
          "position, id and cursor",
          [pos, snapshot, cursor],
          [first.pos, first.snapshot, first.cursor],
        );
      const again = await readSnapshot(t.target, t.signal, space, first);
      same("the pages when fetched again", again.pages, pages);
      const ids = pages.flatMap((it) => (it.data["item"] ?? []).map((row) => row.id));
      same("the number of rows, each once", new Set(ids).size, ids.length);
    },
  },
  {
    id: "S4",
    title: "what is pushed while a snapshot is read comes once, after it",
    clause: "§8.2",
    level: "L2",
    needs: ["control"],
    async run(t) {
      const { space, client } = await bigSpace(t);
      const first = await firstPage(t, space);
      const event = client.create();
      await client.accept([event]);
      const { data } = await readSnapshot(t.target, t.signal, space, first);
      const { id } = event.payload as { id: string };
      must(
        "the new row not in the snapshot",
        !(data["item"] ?? []).some((row) => row.id === id),
        id,
      );
      const { entries } = await t.readAll(space, { cursor: first.cursor });
      same(
        "the ids after the snapshot",
        entries.map((it) => it.id),
        [event.id],
      );
    },
  },
  {
    id: "S5",
    title: "a snapshot that was not read to its end can be started anew; an unknown one is gone",
    clause: "§8.2",
    level: "L2",
    needs: ["control"],
    async run(t) {
      const { space } = await bigSpace(t);
      await firstPage(t, space);
      const all = await t.readAll(space);
      const fresh = await readSnapshot(t.target, t.signal, space, await firstPage(t, space));
      same("the number of rows", fresh.data["item"]?.length, all.data?.["item"]?.length);
      errorOf(await t.ask(`/${space}/snapshot/no-such-snapshot?page=1`), 410, 404, 400);
    },
  },
  {
    id: "S6",
    title: "after a restore from a backup a cursor from beyond it has diverged",
    clause: "§7.4",
    level: "L2",
    needs: ["control"],
    alone: true,
    async run(t) {
      const client = t.client(t.space());
      await pushMany(t, client, 5);
      const backup = await t.control("backup");
      await pushMany(t, client, 5);
      const { cursor } = await t.readAll(client.space);
      await t.control("restore", backup);
      mustReset(await t.pull(client.space, { cursor }), "diverged");
    },
  },
  {
    id: "S7",
    title: "it has diverged also when the log has grown past it since",
    clause: "§7.4",
    level: "L2",
    needs: ["control"],
    alone: true,
    async run(t) {
      const client = t.client(t.space());
      await pushMany(t, client, 5);
      const backup = await t.control("backup");
      const { cursor: fork } = await t.readAll(client.space);
      await pushMany(t, client, 5);
      const { cursor } = await t.readAll(client.space);
      await t.control("restore", backup);
      await pushMany(t, t.client(client.space), 12);
      mustReset(await t.pull(client.space, { cursor }), "diverged");
      mustReset(await t.pull(client.space, { cursor: fork, seen: [cursor] }), "diverged");
    },
  },
  {
    id: "S8",
    title: "a cursor from before the backup stays good",
    clause: "§7.4",
    level: "L2",
    needs: ["control"],
    alone: true,
    async run(t) {
      const client = t.client(t.space());
      const { cursor: start } = await t.readAll(client.space);
      await pushMany(t, client, 5);
      const { cursor } = await t.logPage(client.space, { cursor: start, limit: 3 });
      const backup = await t.control("backup");
      await pushMany(t, client, 5);
      await t.control("restore", backup);
      await pushMany(t, t.client(client.space), 2);
      const { entries } = await t.logPage(client.space, { cursor });
      same("the number of entries after it", entries.length, 4);
    },
  },
  {
    id: "S9",
    title: "decisions outlive the entries: a resend after compaction gets the same ones",
    clause: "§15.2",
    level: "L2",
    needs: ["control"],
    async run(t) {
      const client = t.client(t.space());
      const events = [client.create(), client.event("deny.me", {}), client.create()];
      const first = await client.decide(events);
      await compact(t, client.space);
      same("the decisions", await client.decide(events), first);
      same("those under a new client", await t.client(client.space).decide(events), first);
      const { data, entries } = await t.readAll(client.space);
      same("rows and entries after them", [data?.["item"]?.length, entries.length], [2, 0]);
    },
  },
  {
    id: "S10",
    title: "head, decisions and numbers of clients outlive a restart",
    clause: "§15.3",
    level: "L1",
    needs: ["control"],
    alone: true,
    async run(t) {
      const client = t.client(t.space());
      const log = await t.follow(client.space);
      const events = [client.create(), client.event("deny.me", {}), client.create()];
      const first = await client.push(events);
      await t.control("restart");
      const gap = await client.push([client.create("", { seq: 5 })]);
      same("the number that it waits for", gap.error?.expected, 4);
      const again = await client.push(events);
      same(
        "results, head and epoch",
        [again.results, again.head, again.epoch],
        [first.results, first.head, first.epoch],
      );
      await log.check((entries) => same("the length of the log", entries.length, 2));
    },
  },
  {
    id: "S11",
    title: "rows that were deleted are not in a snapshot",
    clause: "§8.1",
    level: "L2",
    needs: ["control"],
    async run(t) {
      const client = t.client(t.space());
      const [keep, gone] = [client.create("keep"), client.create("gone")];
      const { id } = gone.payload as { id: string };
      await client.accept([keep, gone, client.event("item.delete", { id })]);
      await compact(t, client.space);
      const { data } = await t.readAll(client.space);
      same(
        "the ids of the rows",
        (data?.["item"] ?? []).map((row) => row.id),
        [(keep.payload as { id: string }).id],
      );
    },
  },
  {
    id: "S12",
    title: "after a new epoch a cursor needs a reset",
    clause: "§7.4",
    level: "L2",
    needs: ["control"],
    async run(t) {
      const client = t.client(t.space());
      await pushMany(t, client, 3);
      const { cursor } = await t.readAll(client.space);
      const { epoch } = await t.page(client.space);
      await t.control("new-epoch", { space: client.space });
      mustReset(await t.pull(client.space, { cursor }), "epoch");
      const now = await t.page(client.space);
      must("another epoch", now.epoch !== epoch, now.epoch);
    },
  },
  {
    id: "S13",
    title: "an older client is told which schemas there are; it syncs again when its own is taken",
    clause: "§5.8",
    level: "L1",
    needs: ["control"],
    alone: true,
    async run(t) {
      const client = t.client(t.space());
      const event = client.create();
      await t.control("set-schema", { min: 3, max: 4 });
      try {
        const { answer, error } = await client.push([event], { schema: 2 });
        same("the code", errorOf(answer, 409), "schema_unsupported");
        same("`supported`", error?.supported, { min: 3, max: 4 });
        await client.accept([event], { schema: 3 });
      } finally {
        await t.control("set-schema");
      }
      await client.accept([client.create()], { schema: 2 });
    },
  },
];
