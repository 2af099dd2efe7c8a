/**
 * What a leader writes, one after the other: the base moves, and is folded, at one place at a time. Every write is fenced, and
 * what it appends is in memory and told to the other tabs before the next one begins.
 */
import {
  type AttemptRecord,
  type BaseRecord,
  type CommitRecord,
  type LogRecord,
} from "./model/log.ts";
import { type LeaderWrite, type LeaderWritten } from "./services/ports.ts";
import { type Shared, answered, recognised } from "./shared.ts";

type Header = "tab" | "n" | "schema";

/** A record without what the leader knows. */
export type Body =
  | Omit<AttemptRecord, Header | "term">
  | Omit<BaseRecord, Header | "term">
  | Omit<CommitRecord, Header>;

/** `moved`: the log has grown past `tail`, and nothing was written. */
export type Appended = "written" | "fenced" | "moved";

export function createLead(shared: Shared) {
  const { follower, pipeline, tabs, tab, schema } = shared;
  let line: Promise<unknown> = Promise.resolve();
  let writing: Promise<unknown> = Promise.resolve();

  async function write(request: Omit<LeaderWrite, "term">, term: number): Promise<LeaderWritten> {
    const written = recognised(shared).lead({ term, ...request });
    writing = written.catch(() => undefined);
    return await answered(shared, written);
  }

  return {
    write,
    /** A new term: what hangs from before holds nobody up, and is refused. */
    begin(): void {
      line = Promise.resolve();
    },
    /** Runs when all before it are done. */
    alone<T>(run: () => Promise<T>): Promise<T> {
      const mine = line.then(run, run);
      line = mine.catch(() => undefined);
      return mine;
    },
    /** Resolves when no write is in flight. */
    idle: () => writing,

    /** Appends records in one transaction. `tail`: nothing, if there is a record after this position. */
    async append(bodies: readonly Body[], tail?: number): Promise<Appended> {
      const { term } = shared;
      if (term === undefined) return "fenced";
      const records = bodies.map((body): LogRecord => {
        const header = { tab, n: pipeline.nextNumber(), schema };
        return body.kind === "commit" ? { ...header, ...body } : { ...header, term, ...body };
      });
      const [append, ...also] = records as [LogRecord, ...LogRecord[]];
      const written = await write(
        {
          append,
          ...(also.length === 0 ? {} : { also }),
          durability: shared.durability,
          ...(tail === undefined ? {} : { tail }),
        },
        term,
      );
      if (written.tag === "fenced") return "fenced";
      if (written.tag === "tailMoved") {
        follower.hear(written.tail);
        return "moved";
      }
      const first = (written.position ?? 0) - records.length + 1;
      for (const [at, record] of records.entries()) {
        follower.receive(first + at, record);
        tabs.changed(first + at, record);
      }
      return "written";
    },
  };
}

export type Lead = ReturnType<typeof createLead>;
