import { type BenchEvent, type Row } from "./rows.ts";

/** One open database with its rows in memory, as one tab of an app has it. */
export interface Tab {
  size(): number;
  get(id: string): Row | undefined;
  /** Changes the rows in memory at once; resolves when the event is durable. */
  commit(event: BenchEvent): Promise<unknown>;
  /** Calls `listener` with the ids that another tab changed, when `get` returns them as they are now. */
  watch(listener: (ids: readonly string[]) => void): void;
  close(): Promise<void>;
}

/** A way to store rows. Each file of a contender exports one under the name `contender`. */
export interface Contender {
  /** Makes a database with these rows in the layout that they have at rest, and closes it. */
  fill(name: string, rows: readonly Row[]): Promise<void>;
  /** Resolves when all rows are usable in memory. */
  open(name: string): Promise<Tab>;
}
