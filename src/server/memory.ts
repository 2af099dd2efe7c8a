/** Storage in memory: for tests and demos. What it keeps is gone with the process. */
import { digest, firstHash } from "./hash.ts";
import { createMutex } from "./mutex.ts";
import { takePage } from "./page.ts";
import {
  type Compaction,
  type Decision,
  type LogRow,
  type PushWrite,
  type ReadFound,
  type ReadWant,
  type SnapshotHead,
  type SpaceHead,
  type Storage,
  keyText,
} from "./storage.ts";

interface Dated<T> {
  readonly value: T;
  readonly ts: number;
}

interface Space {
  head: SpaceHead;
  rows: LogRow[];
  readonly decisions: Map<string, Dated<Decision>>;
  readonly keys: Map<string, Dated<string>>;
  readonly clients: Map<string, Dated<{ readonly owner: string; readonly last: number }>>;
  /** The newest and the one before: a reader may be between two pages. */
  snapshots: (SnapshotHead & { readonly data: readonly string[] })[];
}

/** Index of the first row after a position: positions rise. */
function after(rows: readonly LogRow[], pos: number): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((rows[middle] as LogRow).pos <= pos) low = middle + 1;
    else high = middle;
  }
  return low;
}

function hashAt({ head, rows }: Space, pos: number): string | undefined {
  if (pos === head.head) return head.hash;
  if (pos === head.floor) return head.floorHash;
  const row = rows[after(rows, pos) - 1];
  return row?.pos === pos ? row.hash : undefined;
}

function* rowsAfter(rows: readonly LogRow[], pos: number): Generator<LogRow> {
  for (let index = after(rows, pos); index < rows.length; index += 1) yield rows[index] as LogRow;
}

function read(space: Space, want: ReadWant): ReadFound {
  const wanted = want.page;
  const of =
    wanted?.snapshot === undefined
      ? space.snapshots.at(-1)
      : space.snapshots.find(({ id }) => id === wanted.snapshot);
  const data = wanted === undefined ? undefined : of?.data[wanted.no];
  const found = of === undefined || data === undefined ? undefined : { of, data };
  const isWanted = want.after !== undefined && found === undefined;
  return {
    space: space.head,
    hashes: (want.hashesAt ?? []).map((pos) => hashAt(space, pos)),
    rows: isWanted ? takePage(rowsAfter(space.rows, want.after), want) : [],
    page: found,
  };
}

function write(space: Space, { now, rows, decisions, keys, client }: PushWrite): void {
  space.rows.push(...rows);
  const last = rows.at(-1);
  if (last !== undefined) space.head = { ...space.head, head: last.pos, hash: last.hash };
  for (const { id, decision } of decisions) space.decisions.set(id, { value: decision, ts: now });
  for (const { id, ...key } of keys) space.keys.set(keyText(key), { value: id, ts: now });
  if (client !== undefined) {
    const { id, owner, last: number } = client;
    space.clients.set(id, { value: { owner, last: number }, ts: now });
  }
}

function forget(map: Map<string, Dated<unknown>>, before: number): void {
  for (const [key, { ts }] of map) if (ts < before) map.delete(key);
}

function compact(space: Space, change: Compaction): void {
  const { snapshot, entriesBefore, decisionsBefore, epoch } = change;
  if (snapshot !== undefined) {
    const { id, pos, hash, pages } = snapshot;
    if (hashAt(space, pos) !== hash)
      throw new Error(`Expected the log to be what the snapshot was made of, got another`);
    const made = { id, pos, hash, pages: pages.length };
    space.snapshots = [...space.snapshots.slice(-1), { ...made, data: pages }];
    space.head = { ...space.head, snapshot: made };
  }
  const { head } = space;
  const most = head.snapshot?.pos ?? head.floor;
  if (entriesBefore !== undefined) {
    const old = space.rows.findLast(({ pos, ts }) => pos <= most && ts < entriesBefore);
    if (old !== undefined) {
      space.rows = space.rows.filter(({ pos }) => pos > old.pos);
      space.head = { ...head, floor: old.pos, floorHash: old.hash };
    }
  }
  if (decisionsBefore !== undefined)
    for (const map of [space.decisions, space.keys, space.clients]) forget(map, decisionsBefore);
  if (epoch !== undefined) {
    const { snapshot: _, ...rest } = head;
    space.head = { ...rest, epoch, floor: head.head, floorHash: head.hash };
    space.rows = [];
    space.snapshots = [];
  }
}

/** Keeps all in memory. Pushes to one space are decided one after the other. */
export function memory({ id = "memory" }: { readonly id?: string } = {}): Storage<undefined> {
  const spaces = new Map<string, Space>();
  const watchers = new Set<(space: string, head: number) => void>();
  const mutex = createMutex();

  const fresh = (name: string): Space => ({
    head: {
      epoch: digest(`${id}|${name}`, 9),
      head: 0,
      hash: firstHash,
      floor: 0,
      floorHash: firstHash,
    },
    rows: [],
    decisions: new Map(),
    keys: new Map(),
    clients: new Map(),
    snapshots: [],
  });
  const open = (name: string): Space => spaces.get(name) ?? fresh(name);

  return {
    push: (name, want, decide) =>
      mutex.run(name, async () => {
        const space = open(name);
        const decisions = new Map<string, Decision>();
        for (const it of want.ids) {
          const known = space.decisions.get(it);
          if (known !== undefined) decisions.set(it, known.value);
        }
        const keys = new Map<string, string>();
        for (const key of want.keys.map(keyText)) {
          const known = space.keys.get(key);
          if (known !== undefined) keys.set(key, known.value);
        }
        const client =
          want.client === undefined ? undefined : space.clients.get(want.client)?.value;
        const change = await decide({
          space: space.head,
          client,
          decisions,
          keys,
          tx: undefined,
        });
        if (change === undefined) return;
        write(space, change);
        spaces.set(name, space);
        if (change.rows.length > 0) for (const tell of watchers) tell(name, space.head.head);
      }),
    async read(name, want, use) {
      const found = read(open(name), want);
      await use?.(undefined, found);
      return found;
    },
    async heads(names = Array.from(spaces.keys())) {
      return new Map(names.map((name) => [name, open(name).head]));
    },
    compact: (name, change) =>
      mutex.run(name, async () => {
        const space = open(name);
        compact(space, change);
        spaces.set(name, space);
        for (const tell of watchers) tell(name, space.head.head);
      }),
    watch(tell) {
      watchers.add(tell);
      return () => watchers.delete(tell);
    },
    async close() {
      spaces.clear();
    },
  };
}
