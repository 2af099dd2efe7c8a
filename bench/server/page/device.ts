import { type Row } from "../../rows.ts";

/** One device with its rows in memory and on disk, and a server. */
export interface Device {
  size(): number;
  get(id: string): Row | undefined;
  /** Adds rows, one event each. Resolves when the server has decided all of them, and the device has that on disk. */
  add(rows: readonly Row[]): Promise<unknown>;
  /** Calls `listener` with the ids that another device added, when `get` returns them. */
  watch(listener: (ids: readonly string[]) => void): void;
  close(): Promise<void>;
}

/** A way to sync: opens a database. Resolves when so many rows of the space are usable in memory, and on disk. */
export type Open = (name: string, space: string, rows: number) => Promise<Device>;
