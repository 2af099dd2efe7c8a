/** The tab under test, where it lives: its engine with gates in front of the ports, and what is seen of it there. */
import { type InspectionEvent } from "xstate";
import { type Decision } from "../../src/index.ts";
import { type Environment } from "../../src/services/ports.ts";
import { namesOf } from "../../src/testing/instrument.ts";
import { openTodos } from "../support/todo-app.ts";
import { type CommitReading, type OpenOptions, type Reading } from "./stimuli.ts";
import { type Gates } from "./virtual-gates.ts";

/** As the engine takes it. */
type Config = NonNullable<Parameters<typeof openTodos>[0]>;

/** What can be read without the disk, the server and the rival. */
export type TabReading = Omit<
  Reading,
  "lock" | "logged" | "works" | "term" | "requested" | "onServer"
>;

const codeOf = (error: unknown): string => (error as { readonly code?: string }).code ?? "thrown";

const isRejection = (decision: Decision): boolean => decision.status === "rejected";

/** Tells of a promise what became of it. */
function watch(promise: Promise<unknown>): () => string {
  let state = "pending";
  promise.then(
    (value) => (state = Array.isArray(value) && value.some(isRejection) ? "rejected" : "resolved"),
    (error: unknown) => (state = codeOf(error)),
  );
  return () => state;
}

/** What an app does with the data of an older version: nothing. */
export const newerSchema = { version: 2, migrate: (_: string, row: never) => row };

export function createTab(gates: Gates) {
  const commits: (() => CommitReading)[] = [];
  const changes: (() => CommitReading)[] = [];
  let made = 0;
  let sync: ReturnType<typeof openTodos> | undefined;
  let ready: (() => string) | undefined;
  let tids: string[] = [];
  let posted: string[] = [];
  let silent = false;
  let moves = 0;

  function inspect(event: InspectionEvent): void {
    moves += 1;
    if (event.type === "@xstate.microstep") tids.push(...namesOf(event));
  }

  function around(environment: Environment): Environment {
    const { channel } = environment;
    return {
      ...gates.around(environment),
      channel: channel && {
        open(name, receive, broken) {
          const opened = channel.open(name, receive, broken);
          return {
            ...opened,
            post(message) {
              if (silent) {
                silent = false;
                throw new Error("Broken: a message");
              }
              posted.push((message as { readonly kind: string }).kind);
              opened.post(message);
            },
          };
        },
      },
    };
  }

  type Receipt = ReturnType<NonNullable<typeof sync>["commit"]> | undefined;
  function note(list: (() => CommitReading)[], id: string, receipt: Receipt): void {
    if (receipt === undefined) throw new Error("Expected an engine to commit to, got none");
    const [durable, settled] = [watch(receipt.durable), watch(receipt.settled)];
    list.push(() => ({ id, durable: durable(), settled: settled() }));
  }
  const add = (id: string) => sync?.commit({ name: "todoAdded", payload: { id, text: "Milk" } });

  function gateOf(): string {
    try {
      // Whether commits pass is asked before what is in them.
      sync?.commit({ name: "none", payload: null } as never);
      return "none";
    } catch (error) {
      const code = codeOf(error);
      return code === "unknown_event" ? "open" : code;
    }
  }

  return {
    /** `more`: of the place that it is opened in. */
    open(
      ports: Environment,
      {
        noLocks = false,
        noChannel = false,
        older: _older,
        live: _live,
        local: _local,
        auth: _auth,
        version: _version,
        ...options
      }: OpenOptions,
      more: Config,
    ): void {
      gates.begin();
      const environment = around(ports);
      sync = openTodos({
        ...options,
        ...more,
        inspect,
        environment: {
          ...environment,
          ...(noLocks && { locks: null }),
          ...(noChannel && { channel: null }),
        },
      });
      ready = watch(sync.ready);
    },
    stop: () => void sync?.stop().catch(() => undefined),
    commit(count = 1): void {
      made += 1;
      const id = `todo-${made}`;
      for (let more = 1; more < count; more += 1) add(`${id}-${more}`);
      note(commits, id, add(id));
    },
    change: (id: string) =>
      note(changes, id, sync?.commit({ name: "todoRenamed", payload: { id, text: "Bread" } })),
    /** What was promised is over: the data is gone. */
    forget: () => (commits.length = 0),
    breakNextMessage: () => void (silent = true),
    /** Changes with whatever the machines do. */
    moves: () => moves,
    read(): TabReading {
      const reading = {
        status: sync?.status ?? null,
        value: sync?.getSnapshot().value ?? null,
        ready: ready?.() ?? "pending",
        gate: gateOf(),
        rows: sync?.tables.todos.toArray() ?? [],
        quarantine: sync?.quarantine.list().map(({ id }) => id) ?? [],
        rejected: sync?.rejected.list().map(({ code }) => code) ?? [],
        commits: commits.map((read) => read()),
        changes: changes.map((read) => read()),
        queues: gates.queues(),
        connections: gates.connections(),
        asked: gates.asked(),
        posted,
      };
      posted = [];
      return structuredClone(reading);
    },
    /** The transitions since the last call. */
    taken(): readonly string[] {
      const all = tids;
      tids = [];
      return all;
    },
  };
}
