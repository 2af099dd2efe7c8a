/**
 * A client as §3 describes it, for histories: what is durable on a device, and what it does with answers.
 *
 * 1. Pushed is a prefix of the undecided events, in the order of their numbers, from what is stored.
 * 2. An accepted event stays in the outbox, as acknowledged, until it is seen in the log, or its position is behind the base.
 * 3. A page is applied only if it begins where the device stands; events and cursor change together.
 * 4. A conflict, and a gap before the outbox, give the device a new id, and its events new numbers; a gap within the outbox
 *    takes acknowledgements back. An answer that does not describe the outbox any more does nothing.
 * 5. A reset forgets the base and acknowledgements, never the outbox.
 */
import {
  type LogEntry,
  type PushEvent,
  type PullResponse,
  type WireRow,
} from "../protocol/index.ts";
import { type Pushed } from "./client.ts";
import { type Tables, emptyTables, fold, fromData } from "./fold.ts";

interface Waiting extends PushEvent {
  acked?: number;
}

export interface Device {
  readonly name: string;
  client: string;
  next: number;
  outbox: Waiting[];
  cursor: string | null;
  pos: number;
  base: Tables;
  /** Decisions, by event: more than one kind would be a broken promise. */
  readonly outcomes: Map<string, Set<string>>;
}

export const createDevice = (name: string, client: string): Device => ({
  name,
  client,
  next: 1,
  outbox: [],
  cursor: null,
  pos: 0,
  base: emptyTables(),
  outcomes: new Map(),
});

/** A profile that was copied, with all that is durable in it. */
export const copyDevice = (device: Device, name: string): Device => ({
  ...structuredClone({ ...device, base: undefined }),
  name,
  base: new Map(Array.from(device.base, ([table, rows]) => [table, new Map(rows)])),
});

export function commit(device: Device, event: Omit<PushEvent, "seq">): void {
  device.outbox.push({ ...event, seq: device.next });
  device.next += 1;
}

/** What it would push now. */
export const batchOf = (device: Device, most: number): { client: string; events: PushEvent[] } => ({
  client: device.client,
  events: device.outbox
    .filter((it) => it.acked === undefined)
    .slice(0, most)
    .map(({ id, seq, name, payload, at }) => ({ id, seq, name, payload, at })),
});

function settle(device: Device, id: string, outcome: string): void {
  device.outbox = device.outbox.filter((it) => it.id !== id);
  const known = device.outcomes.get(id) ?? new Set();
  device.outcomes.set(id, known.add(outcome));
}

function rotate(device: Device, client: string): void {
  device.client = client;
  for (const [at, event] of device.outbox.entries()) device.outbox[at] = { ...event, seq: at + 1 };
  device.next = device.outbox.length + 1;
}

/** Takes the answer to a push. */
export function onPushed(
  device: Device,
  request: { readonly client: string; readonly events: readonly PushEvent[] },
  { results, error }: Pushed,
  newId: () => string,
): void {
  for (const result of results) {
    const event = device.outbox.find((it) => it.id === result.id);
    if (event === undefined) continue;
    if (result.status !== "accepted") settle(device, event.id, result.status);
    else if (device.cursor !== null && result.pos <= device.pos)
      settle(device, event.id, "accepted");
    else event.acked = result.pos;
  }
  if (error?.code !== "client_conflict" && error?.code !== "sequence_gap") return;
  const first = request.events[results.length];
  const isOurs =
    device.client === request.client &&
    device.outbox.some(
      (it) => it.id === first?.id && it.seq === first.seq && it.acked === undefined,
    );
  if (!isOurs) return;
  const { expected = 0 } = error;
  if (error.code === "sequence_gap" && device.outbox.some((it) => it.seq === expected)) {
    for (const event of device.outbox) if (event.seq >= expected) delete event.acked;
  } else rotate(device, newId());
}

export function onReset(device: Device, cursor: string | null): void {
  if (cursor !== device.cursor) return;
  device.cursor = null;
  device.pos = 0;
  device.base = emptyTables();
  for (const event of device.outbox) delete event.acked;
}

function seen(device: Device, entries: readonly LogEntry[]): void {
  for (const { id } of entries)
    if (device.outbox.some((it) => it.id === id)) settle(device, id as string, "accepted");
}

/** Takes a page of the log, or a snapshot with all of its rows. */
export function onPage(
  device: Device,
  page: PullResponse,
  data: Readonly<Record<string, readonly WireRow[]>>,
): void {
  if (page.from !== device.cursor) return;
  if (page.mode === "snapshot") device.base = fromData(data);
  else {
    fold(device.base, page.entries);
    seen(device, page.entries);
  }
  device.cursor = page.cursor;
  device.pos = page.pos;
  // Passed without being seen: asked again, and the memory of ids answers.
  for (const event of device.outbox)
    if (event.acked !== undefined && event.acked <= device.pos) delete event.acked;
}
