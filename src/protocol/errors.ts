/** The errors of sssync/1: the status that goes with each code, and what a client does about it. */
import { type ErrorBody, type ErrorCode, type WireError } from "./messages.ts";

/**
 * What a client does. In none of them does it drop an event that is not decided.
 * - `stop`: one of the two has a bug. Push no more, say so; events are sent one by one to find the bad one.
 * - `refresh`: ask the app for a new token, once, and send again at once; after that wait for one.
 * - `deny`: wait until the app's authorization changes.
 * - `degrade`: the server does not offer this; for a push as `stop`.
 * - `rotate`: take a new client id and number the outbox anew.
 * - `resend`: send again from the number that the server expects; as `rotate` when that is not in the outbox.
 * - `reset`: start over from a snapshot; the outbox stays.
 * - `upgrade`: wait for newer code, on one side or the other.
 * - `split`: send half of it; a single event is rejected with `too_large`.
 * - `wait`: the outcome is unknown or it is not the time: send the same again, later, without end.
 */
export type Reaction =
  | "stop"
  | "refresh"
  | "deny"
  | "degrade"
  | "rotate"
  | "resend"
  | "reset"
  | "upgrade"
  | "split"
  | "wait";

type Row = readonly [status: number, reaction: Reaction];

const table: Readonly<Record<ErrorCode, Row>> = {
  bad_request: [400, "stop"],
  unauthorized: [401, "refresh"],
  token_expired: [401, "refresh"],
  forbidden: [403, "deny"],
  not_found: [404, "degrade"],
  method_not_allowed: [405, "degrade"],
  not_acceptable: [406, "stop"],
  client_conflict: [409, "rotate"],
  sequence_gap: [409, "resend"],
  reset_required: [409, "reset"],
  schema_unsupported: [409, "upgrade"],
  too_large: [413, "split"],
  unsupported_media_type: [415, "stop"],
  protocol_unsupported: [426, "upgrade"],
  rate_limited: [429, "wait"],
  internal: [500, "wait"],
  unavailable: [503, "wait"],
  timeout: [504, "wait"],
};

/** All codes of errors. */
export const errorCodes = Object.keys(table) as ErrorCode[];

/** Whether a code is one that this version knows. */
export const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(table, code);

/** The status that an error is answered with. */
export const statusOf = (code: ErrorCode): number => table[code][0];

/**
 * What a client does about a response that is not 2xx, by its code; by its status where there is no code that it knows, as
 * from a proxy. Never by its text.
 */
export function reactionTo(status: number, code?: string): Reaction {
  if (code !== undefined && isErrorCode(code)) return table[code][1];
  // 409 without a known code: which of the four it is cannot be told, and each of the others would be wrong for three.
  if (status === 409) return "upgrade";
  const same = errorCodes.find((it) => table[it][0] === status);
  if (same !== undefined) return table[same][1];
  // Also redirects, 408 and 425; a 4xx that nobody defined does not get better by itself, but a proxy's often does.
  return status >= 400 && status < 500 && status !== 408 && status !== 425 ? "stop" : "wait";
}

/** The body of an error. */
export function errorBody(
  code: ErrorCode,
  more: Omit<WireError, "code"> = {},
  requestId?: string,
): ErrorBody {
  const error = { code, ...more };
  return requestId === undefined ? { error } : { error, requestId };
}
