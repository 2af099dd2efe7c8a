/**
 * One function per message: the value, or what is wrong with it. None throws.
 *
 * They take what `parseJson` gave. Beyond the schemas they check what holds between members, which JSON Schema cannot say.
 */
import * as v from "valibot";
import { type Parsed, type WireIssue } from "./json.ts";
import {
  type ErrorBody,
  type Info,
  type LiveEvent,
  type LogEntry,
  type LogPage,
  type PullResponse,
  type PushRequest,
  type PushResponse,
  type SnapshotPage,
  type SyncResponse,
  cursorSchema,
  errorBodySchema,
  infoSchema,
  liveEventSchema,
  pullResponseSchema,
  pushRequestSchema,
  pushResponseSchema,
  snapshotPageSchema,
  spaceSchema,
  syncResponseSchema,
} from "./messages.ts";

const pathOf = (items: readonly { readonly key: unknown }[] | undefined): string =>
  (items ?? []).reduce(
    (path, { key }) => path + (typeof key === "number" ? `[${key}]` : `.${String(key)}`),
    "$",
  );

function decode<T>(
  schema: v.GenericSchema<unknown, T>,
  value: unknown,
  across?: (value: T) => WireIssue | undefined,
): Parsed<T> {
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (!result.success) {
    const [{ path, message }] = result.issues;
    return { issue: { path: pathOf(path), reason: message } };
  }
  const issue = across?.(result.output);
  return issue === undefined ? { value: result.output } : { issue };
}

/** The events of one commit stand side by side. */
function split(events: readonly { readonly tx?: string | undefined }[], name: string) {
  const closed = new Set<string>();
  for (const [index, { tx }] of events.entries()) {
    const before = events[index - 1]?.tx;
    if (before !== undefined && before !== tx) closed.add(before);
    if (tx !== undefined && closed.has(tx))
      return { path: `$.${name}[${index}].tx`, reason: "Expected the events of a tx side by side" };
  }
  return undefined;
}

/** Positions rise, and lie within what the page says of itself. */
function entriesOf(
  page: LogPage,
  entries: readonly LogEntry[] = page.entries,
): WireIssue | undefined {
  let last = -1;
  for (const [index, { pos }] of entries.entries()) {
    if (pos <= last || pos > page.pos)
      return {
        path: `$.entries[${index}].pos`,
        reason: `Expected a position above ${last} and up to ${page.pos}, got ${pos}`,
      };
    last = pos;
  }
  if (page.pos > page.head)
    return { path: "$.pos", reason: `Expected at most head ${page.head}, got ${page.pos}` };
  return split(entries, "entries");
}

const acrossPull = (page: PullResponse): WireIssue | undefined =>
  page.mode === "log" ? entriesOf(page) : undefined;

/** Beyond its shape: the events of one commit are side by side. Gaps between numbers are decided upon, event by event. */
export const decodePushRequest = (value: unknown): Parsed<PushRequest> =>
  decode(pushRequestSchema, value, ({ events }) => split(events, "events"));

/** Beyond its shape: the results are on the first of the events that were sent, and on all of them unless it was stopped. */
export const decodePushResponse = (
  value: unknown,
  sent: readonly { readonly id: string }[],
): Parsed<PushResponse> =>
  decode(pushResponseSchema, value, ({ results, stopped }) => {
    const other = results.findIndex(({ id }, index) => id !== sent[index]?.id);
    if (other !== -1)
      return {
        path: `$.results[${other}].id`,
        reason: "Expected the id of the event at its place",
      };
    if (stopped === undefined && results.length < sent.length)
      return {
        path: "$.results",
        reason: `Expected ${sent.length} results, got ${results.length}`,
      };
    return undefined;
  });

/** Beyond its shape: positions rise and are not above the page's, and the entries of one commit are side by side. */
export const decodePullResponse = (value: unknown): Parsed<PullResponse> =>
  decode(pullResponseSchema, value, acrossPull);

export const decodeSnapshotPage = (value: unknown): Parsed<SnapshotPage> =>
  decode(snapshotPageSchema, value);

export const decodeSyncResponse = (value: unknown): Parsed<SyncResponse> =>
  decode(syncResponseSchema, value);

/** A page inside is checked as that of a pull. */
export const decodeLiveEvent = (value: unknown): Parsed<LiveEvent> =>
  decode(liveEventSchema, value, (event) =>
    event.event === "page" ? entriesOf(event.data) : undefined,
  );

export const decodeInfo = (value: unknown): Parsed<Info> => decode(infoSchema, value);

export const decodeErrorBody = (value: unknown): Parsed<ErrorBody> =>
  decode(errorBodySchema, value);

/** Whether a text can be a cursor, as it stands in a query or a header. */
export const isCursor = (value: unknown): value is string => v.is(cursorSchema, value);

/** Whether a text can be the name of a space; `.` and `..` mean other things in a path. */
export const isSpace = (value: unknown): value is string =>
  v.is(spaceSchema, value) && !/^\.\.?$/.test(value);
