// @ts-check
/** The server: decisions, places in the log, what is stored, and who is let in. */

/** @import { Mutant } from "../apply.mjs" */

/** @type {readonly Mutant[]} */
export const server = [
  {
    id: "used-number-accepted",
    why: "The server takes a new event with a used number: a copied profile takes the place of the original.",
    breaks: ["G5"],
    edits: [[`if (!isKnown && seq <= last && !bugs.has("no-id-check"))`, "if (false)"]],
    tests: ["server/push.test.ts"],
    named: "used number",
  },
  {
    id: "rejection-holds-the-number",
    why: "The server does not advance a client's number for rejections: the queue is blocked for good.",
    breaks: ["G5"],
    edits: [
      [
        "last = next;",
        "if (Array.from(made.values()).every((it) => !isRejected(it))) last = next;",
      ],
    ],
    tests: ["server/push.test.ts"],
  },
  {
    id: "rules-see-the-past",
    why: "A rule reads rows as they were before the push: what an event of it made is not there, and what it took still is.",
    breaks: ["G5"],
    edits: [
      ["for (const unit of waiting.splice(0)) states?.run(run, unit);", "waiting.length = 0;"],
    ],
    tests: ["server/rows.test.ts"],
    named: "entries before",
  },
  {
    id: "rules-do-not-see-their-unit",
    why: "A rule does not see what events before in the same commit make.",
    breaks: ["G3"],
    edits: [
      [
        "for (const event of open.slice(ahead.length))",
        "for (const event of open.slice(open.length))",
      ],
    ],
    tests: ["server/rows.test.ts"],
    named: "entries before",
  },
  {
    id: "refused-commit-stays-in-the-rows",
    why: "What was run of a refused commit, so that its rules could read it, is still seen by the rules of later ones.",
    breaks: ["G3"],
    edits: [["if (open.length < ahead.length) stepBack(open.length);", ""]],
    tests: ["server/rows.test.ts"],
    named: "entries before",
  },
  {
    id: "half-a-unit-accepted-by-server",
    why: "The server rejects one event of a commit, and accepts the others.",
    breaks: ["G3"],
    edits: [
      [
        `!bugs.has("split-tx")) return abort("tx_aborted");`,
        `bugs.has("split-tx")) return abort("tx_aborted");`,
      ],
    ],
    tests: ["server/push.test.ts"],
    named: "G3",
  },
  {
    id: "key-of-an-aborted-unit-taken",
    why: "The dedupe key of an event that was rejected stays taken: the next event with it is a duplicate of nothing.",
    breaks: ["G5"],
    edits: [
      [
        "if (key !== undefined) taken.set(key, event.id);",
        "if (key !== undefined && event.key !== undefined) keys.set(key, { ...event.key, id: event.id });",
      ],
    ],
    tests: ["server/push.test.ts"],
    named: "keeps no dedupe key",
  },
  {
    id: "client-of-anyone",
    why: "A client's numbers can be used up by another principal.",
    breaks: ["G12"],
    edits: [["found.client.owner !== client?.owner", "found.client.owner === undefined"]],
    tests: ["server/push.test.ts"],
    named: "binds",
  },
  {
    id: "throwing-hook-rejects",
    why: "A bug of the app's own rules on the server rejects events of its users.",
    breaks: ["G5"],
    edits: [
      [
        `throw new HookFailure(where, "unavailable", error, before);`,
        `return { code: "forbidden" } as never;`,
      ],
    ],
    tests: ["server/push.test.ts"],
    named: "hook that throws",
  },
  {
    id: "commit-over-two-pages",
    why: "A page ends in the middle of a commit.",
    breaks: ["G3"],
    edits: [
      [
        "if (isFull && found.length > 0 && !goesOn) break;",
        "if (isFull && found.length > 0) break;",
      ],
    ],
    tests: ["server/memory.test.ts", "server/push.test.ts"],
  },
  {
    id: "other-history-followed",
    why: "A cursor of a log that went another way is taken where the position exists: a restored server diverges in silence.",
    breaks: ["G13"],
    edits: [
      [
        `return hash === found || bugs.has("no-hash") ? undefined : "diverged";`,
        "return undefined;",
      ],
    ],
    tests: ["server/pull.test.ts", "server/sqlite-faults.test.ts"],
  },
  {
    id: "news-missed-before-waiting",
    why: "A long poll looks first and listens then: what is pushed in between is told 30 s later.",
    breaks: ["G13"],
    edits: [["heard = true; wake?.();", "wake?.();"]],
    tests: ["server/pull.test.ts"],
    named: "between the look",
  },
  {
    id: "silent-look",
    why: "When a look for what other processes wrote fails, nobody is told: readers wait, and the log says nothing.",
    breaks: ["G13"],
    edits: [["fail?.(storageFailure(error));", "void fail;"]],
    tests: ["server/sqlite-faults.test.ts"],
    named: "cannot look",
  },
  {
    id: "blind-for-ever",
    why: "A look that failed is not tried again: what other processes wrote is told to nobody.",
    breaks: ["G13"],
    edits: [["findNews(); isBlind = false;", "if (!isBlind) findNews();"]],
    tests: ["server/sqlite-faults.test.ts"],
    named: "cannot look",
  },
  {
    id: "partial-push-committed",
    why: "What was written of a push before its writing failed is committed with the others.",
    breaks: ["G3"],
    edits: [[`writer.exec("rollback"); throw error;`, "throw error;"]],
    tests: ["server/sqlite-faults.test.ts"],
    named: "no part",
  },
  {
    id: "apply-not-undone",
    why: "What the app wrote for an event stays when the event was not accepted.",
    breaks: ["G3"],
    edits: [[`writer.exec("rollback to job; release job");`, `writer.exec("release job");`]],
    tests: ["server/sqlite-faults.test.ts"],
    named: "own tables",
  },
  {
    id: "late-hook-writes",
    why: "A hook that comes too late writes to the server's connection, outside of any transaction.",
    breaks: ["G12"],
    edits: [["if (over) throw new Error(", "if (false) throw new Error("]],
    tests: ["server/sqlite-faults.test.ts"],
    named: "too late",
  },
  {
    id: "decisions-dropped-with-the-log",
    why: "Compaction forgets decisions with their entries: an event that comes again has a second effect.",
    breaks: ["G5"],
    edits: [[`kit.bugs.has("ids-die-with-log") ? entriesBefore`, "kit.options ? entriesBefore"]],
    tests: ["server/reset.test.ts"],
    named: "G5",
  },
  {
    id: "bomb-unpacked",
    why: "A compressed body is unpacked without an end.",
    breaks: ["G12"],
    edits: [["if (size > most) {", "if (size > most && chunks.length < 0) {"]],
    tests: ["server/http.test.ts"],
    named: "a bomb|a long body",
  },
  {
    id: "expired-token-taken",
    why: "A token is taken after it has expired.",
    breaks: ["G12"],
    edits: [["if ((principal.expiresAt ?? Infinity) <= clock.now())", "if (false)"]],
    tests: ["server/http.test.ts"],
  },
  {
    id: "unreadable-event-appended",
    why: "An event of the server's own is appended that no client can read: all readers of the space stand before it for good.",
    breaks: ["G12"],
    edits: [
      [
        "if (wrong === undefined) return prepared;",
        "if (prepared.refused === undefined) return prepared;",
      ],
    ],
    tests: ["server/given.test.ts"],
    named: "appends nothing",
  },
  {
    id: "any-principal",
    why: "An id of a principal that is a number gets into the log, which no client can read from there on.",
    breaks: ["G12"],
    edits: [["if (!isPrincipalId(principal.id))", "if (!isPrincipalId(String(principal.id)))"]],
    tests: ["server/given.test.ts"],
    named: "lets nobody in",
  },
  {
    id: "any-refusal",
    why: "A refusal is remembered that no client can read: what it is about is sent again for ever.",
    breaks: ["G5", "G12"],
    edits: [
      [
        "const error = asRead({ code, message, data }, 1);",
        "const error = code ? { value: { code, message, data } } : asRead(code, 1);",
      ],
    ],
    tests: ["server/given.test.ts"],
    named: "no refusal",
  },
  {
    id: "slow-sender-keeps-the-server",
    why: "A server that is about to go waits for who does not send the end of a request.",
    breaks: ["G12"],
    edits: [["stay = tell(() => reject(goingAway()));", "stay = tell(() => void goingAway);"]],
    tests: ["server/closing.test.ts"],
    named: "who sends slowly",
    hangs: "a server that waits for ever is what is wrong",
  },
  {
    id: "endless-body",
    why: "A body may take as long as it likes.",
    breaks: ["G12"],
    edits: [[`reject(new Failure("timeout", { retryAfter: 1000 }));`, "void reject;"]],
    tests: ["server/closing.test.ts"],
    named: "waits for a body",
    hangs: "an answer that never comes is what is wrong",
  },
  {
    id: "streams-counted-too-early",
    why: "Streams that are opened at the same time are not counted.",
    breaks: ["G12"],
    edits: [
      [
        "if ((counts.get(principal.id) ?? 0) >= limits.streams)",
        "if ((counts.get(principal.id) ?? 0) >= limits.streams * 2)",
      ],
    ],
    tests: ["server/live.test.ts"],
    named: "at the same time",
  },
  {
    id: "statement-left-open",
    why: "A statement of the app that gives rows is left open: nothing is stored from there on.",
    breaks: ["G5"],
    edits: [["if (!statement.reader) return", "if (String(statement.reader)) return"]],
    tests: ["server/sqlite-faults.test.ts"],
    named: "gives rows",
  },
];
