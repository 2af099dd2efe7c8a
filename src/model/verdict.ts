/** What follows from an answer of a server, for whom it was asked: by its kind, status and code, never by its text. */
import { type WireError, reactionTo } from "../protocol/index.ts";

/** An answer of a server, or why there is none, as the transport classifies it. */
export type Answer<T> =
  | { readonly tag: "ok"; readonly value: T }
  | {
      readonly tag: "refused";
      readonly status: number;
      readonly error: WireError;
      /** Whether the server said it, and not only the status. */
      readonly known: boolean;
    }
  | { readonly tag: "offline"; readonly reason: string }
  | { readonly tag: "timeout" }
  | { readonly tag: "invalid"; readonly reason: string };

/**
 * - `taken`: it is an answer; `lost`: no way to the server; `wait`: try the same again, later.
 * - `refresh`: ask for a token once, and again at once; `unauthorized`, `forbidden`: until the app's authorization changes.
 * - `record`: what it asks for (`rotate`, `resend`) depends on what is stored.
 * - `reset`: from the beginning; `again`: the snapshot is gone.
 * - `split`, `single`: send less, or one unit at a time; `tooLarge`, `bad`: this unit is refused.
 * - `incompatible`: until one of the two is another version.
 */
export type Verdict =
  | "taken"
  | "lost"
  | "wait"
  | "refresh"
  | "unauthorized"
  | "forbidden"
  | "record"
  | "reset"
  | "again"
  | "split"
  | "single"
  | "tooLarge"
  | "bad"
  | "incompatible";

export interface Asked {
  readonly what: "push" | "pull" | "snapshot";
  /** Of a push: whether it was one commit, which cannot be sent by halves. */
  readonly single: boolean;
  /** Whether the token is one that was asked for after a refusal. */
  readonly renewed: boolean;
  /** Version of the app's schema. */
  readonly schema: number;
  /** Whether an event was called bad since the server last took one: the next one is not the events' fault. */
  readonly doubted: boolean;
}

export function verdictOn(heard: Answer<unknown>, asked: Asked): Verdict {
  if (heard.tag !== "refused")
    return ({ ok: "taken", offline: "lost", timeout: "wait", invalid: "incompatible" } as const)[
      heard.tag
    ];
  const { status, error, known } = heard;
  const { what } = asked;
  switch (reactionTo(status, known ? error.code : undefined)) {
    case "refresh":
      return asked.renewed ? "unauthorized" : "refresh";
    case "deny":
      // A proxy knows nothing of spaces: perhaps it was the token, perhaps it was in passing.
      return known || asked.renewed ? "forbidden" : "refresh";
    case "rotate":
    case "resend":
      return what === "push" && known ? "record" : "wait";
    case "reset":
      return what === "snapshot" ? "again" : "reset";
    case "split":
      if (what !== "push") return "wait";
      if (!asked.single) return "split";
      // A proxy knows nothing of events: none is given up on its word.
      return known ? "tooLarge" : "wait";
    case "degrade":
      if (what === "snapshot") return "again";
      // Who may not see a space is told that there is none.
      return known ? (status === 404 ? "forbidden" : "incompatible") : "wait";
    case "upgrade":
      // A server that is being rolled out will know this schema soon.
      if (
        known &&
        error.code === "schema_unsupported" &&
        asked.schema > (error.supported?.max ?? Infinity)
      )
        return "wait";
      return known ? "incompatible" : "wait";
    case "stop":
      if (what === "snapshot" && status === 410) return "again";
      if (!known) return "wait";
      if (what !== "push" || error.code !== "bad_request") return "incompatible";
      if (!asked.single) return "single";
      return asked.doubted ? "incompatible" : "bad";
    case "wait":
      break;
  }
  return "wait";
}
