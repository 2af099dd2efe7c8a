/**
 * The app that a server under test has to serve, as a module for `sssync serve --events sssync/conformance/app`. Other
 * languages have it in docs/conformance.md.
 */
import * as v from "valibot";
import { type Action } from "../model/action.ts";
import { type Materializer, defineEvent } from "../model/definition.ts";
import { actionsOf } from "./fold.ts";

const id = v.pipe(v.string(), v.minLength(1), v.maxLength(256));
const item = v.object({ id, title: v.string() });
const note = v.object({ id, item: v.string(), text: v.string(), meta: v.optional(v.unknown()) });

export const tables = {
  item: v.object({ id, title: v.string(), n: v.number() }),
  note: v.object({ id, item: v.string(), text: v.string() }),
};

export const events = {
  "item.create": defineEvent({ schema: item }),
  "item.rename": defineEvent({ schema: item }),
  "item.delete": defineEvent({ schema: v.object({ id }) }),
  "item.inc": defineEvent({ schema: v.object({ id, by: v.pipe(v.number(), v.safeInteger()) }) }),
  "note.add": defineEvent({ schema: note }),
  "item.once": defineEvent({ schema: item, dedupe: (payload) => payload.id }),
  "note.once": defineEvent({ schema: note, dedupe: (payload) => payload.id }),
  "deny.me": defineEvent({ schema: v.object({}) }),
  "fail.app": defineEvent({ schema: v.object({ data: v.optional(v.unknown()) }) }),
  "slow.ms": defineEvent({ schema: v.object({ ms: v.pipe(v.number(), v.safeInteger()) }) }),
  "v2.only": defineEvent({
    version: 2,
    schema: v.object({ id, text: v.string() }),
    upcast: (payload) => {
      const { t, ...rest } = payload as { t?: string };
      return { ...rest, text: t ?? null };
    },
  }),
};

type Tables = typeof tables;

const materializer =
  (name: string): Materializer<unknown, Tables> =>
  (payload, context) =>
    actionsOf(name, payload, (of) => context.tables.item.get(of)).map(
      ({ type, tableName, value }) =>
        ({ type, table: tableName, row: value }) as Action as ReturnType<
          Materializer<unknown, Tables>
        >[number],
    );

export const materializers = Object.fromEntries(
  Object.keys(events).map((name) => [name, materializer(name)]),
) as { readonly [N in keyof typeof events]: Materializer<unknown, Tables> };

/** ms that hooks may take: `slow.ms` with more than this fails when it is tried first. */
export const limits = { requestMs: 1000, heartbeatMs: 400 };
/** Readers get events and the row actions that they mean. */
export const deliver = "both";
export const schema = { min: 1, max: 2 };
export const origins = ["https://app.example"];

interface Asked {
  readonly event: { readonly id: string; readonly name: string; readonly payload: unknown };
  readonly space: string;
}
type Verdict =
  | true
  | { readonly code: "forbidden" | "app"; readonly message?: string; readonly data?: unknown };

/** The app's rules. `isGranted`: whether a space takes an event that is denied otherwise. */
export function rulesWith(
  isGranted: (space: string, event: string) => boolean,
): (asked: Asked) => true | Verdict | Promise<Verdict> {
  const tried = new Set<string>();
  return ({ event: { id: own, name, payload }, space }) => {
    if (name === "deny.me") return isGranted(space, name) || { code: "forbidden" };
    if (name === "fail.app") {
      const { data } = payload as { data?: unknown };
      return { code: "app", message: "as it was asked to", ...(data !== undefined && { data }) };
    }
    if (name !== "slow.ms") return true;
    const { ms } = payload as { ms: number };
    if (tried.has(own)) return true;
    if (ms > limits.requestMs) tried.add(own);
    return new Promise((resolve) => {
      setTimeout(() => resolve(true), ms);
    });
  };
}

export const authorize = rulesWith(() => false);

export interface User {
  readonly id: string;
  readonly expiresAt?: number;
}

/** The users behind the tokens `A`, `B`, `R` and `X`. */
const users = new Map<string, User>([
  ["A", { id: "user-a" }],
  ["B", { id: "user-b" }],
  ["R", { id: "reader" }],
  ["X", { id: "user-x", expiresAt: 1 }],
]);

export function authenticate(request: Request): User | null {
  const token = /^Bearer (.+)$/.exec(request.headers.get("Authorization") ?? "")?.[1];
  return users.get(token ?? "") ?? null;
}

/** Spaces whose names begin with `a.` belong to A; in the others the reader may read, and A and B may write. */
export const authorizeSpace = (user: User, space: string, access: "read" | "write"): boolean =>
  space.startsWith("a.") ? user.id === "user-a" : access === "read" || user.id !== "reader";
