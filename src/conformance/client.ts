/** A client as the protocol sees it: an id, and numbers 1, 2, 3… for its events. */
import {
  type EventResult,
  type PushEvent,
  type WireError,
  decodeErrorBody,
  decodePushResponse,
} from "../protocol/index.ts";
import { must } from "./check.ts";
import { type Answer, type Ask, type Target, type TokenName, read, send } from "./target.ts";

export interface ClientOptions {
  readonly as?: TokenName;
  /** Default: a new one. */
  readonly id?: string;
  /** Number of its first event. Default 1. */
  readonly next?: number;
}

/** What came of a push. Where nothing was decided `results` is empty, and `error` says why. */
export interface Pushed {
  readonly answer: Answer;
  readonly results: readonly EventResult[];
  /** Why it stopped, or was refused. */
  readonly error: WireError | undefined;
  readonly head: number;
  readonly epoch: string | undefined;
}

export interface Client {
  readonly id: string;
  readonly space: string;
  /** Makes the next event. */
  event(name: string, payload: unknown, more?: Partial<PushEvent>): PushEvent;
  /** An `item.create` of a new item. */
  create(title?: string, more?: Partial<PushEvent>): PushEvent;
  push(events: readonly unknown[], ask?: Ask): Promise<Pushed>;
  /** Pushes what has to be decided, all of it. */
  decide(events: readonly PushEvent[], ask?: Ask): Promise<readonly EventResult[]>;
  /** Pushes what has to be accepted, all of it; its positions. */
  accept(events: readonly PushEvent[], ask?: Ask): Promise<readonly number[]>;
}

/** Reads an answer to a push: it has to be one of the two bodies that the protocol knows. */
export function readPush(answer: Answer, sent: readonly { readonly id: string }[]): Pushed {
  const { status, json } = answer;
  const pushed = decodePushResponse(json, sent);
  if ("value" in pushed) {
    const { results, stopped, head, epoch } = pushed.value;
    const expected = /^(client_conflict|sequence_gap)$/.test(stopped?.code ?? "") ? 409 : 200;
    must(`the status of a push response to be ${expected}`, status === expected, status);
    return { answer, results, error: stopped, head, epoch };
  }
  must(`a push that is answered ${status} to have an error body`, status >= 400, answer.text);
  const body = decodeErrorBody(json);
  must(`the body of a ${status} to be an error`, "value" in body, answer.text);
  return { answer, results: [], error: body.value.error, head: 0, epoch: undefined };
}

export function createClient(
  target: Target,
  newId: () => string,
  signal: AbortSignal,
  space: string,
  { as = "A", id = newId(), next = 1 }: ClientOptions,
): Client {
  let seq = next;
  const event: Client["event"] = (name, payload, more = {}) => {
    const made = { id: newId(), seq, name, payload, at: 1_700_000_000_000 + seq, ...more };
    seq = made.seq + 1;
    return made;
  };
  const push: Client["push"] = async (events, ask = {}) => {
    const path = `/${space}/push`;
    const json = ask.body === undefined ? { client: id, events } : undefined;
    const answer = await read(
      await send(target, path, { as, json, signal, method: "POST", ...ask }),
    );
    return readPush(answer, events as PushEvent[]);
  };
  const decide: Client["decide"] = async (events, ask) => {
    const { answer, results, error } = await push(events, ask);
    must(
      `${events.length} events to be decided`,
      error === undefined && answer.status === 200,
      error ?? answer.status,
    );
    return results;
  };
  return {
    id,
    space,
    event,
    create: (title = "an item", more) => event("item.create", { id: newId(), title }, more),
    push,
    decide,
    async accept(events, ask) {
      const results = await decide(events, ask);
      return results.map((result) => {
        must("an event to be accepted", result.status === "accepted", result);
        return result.pos;
      });
    },
  };
}
