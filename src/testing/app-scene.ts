/** A path that is being run: what is there, what was done, and the lines of a test that does the same. */
import { type EventDefinitions, type TableSchemas } from "../model/definition.ts";
import { type Receipt } from "../pipeline.ts";
import { type AppServer } from "./app-server.ts";
import { type Device, type DeviceTab, type World } from "./device.ts";
import { type AnyApp } from "./app-options.ts";
import { type Draw } from "./scheduler.ts";

export type AnyTab = DeviceTab<TableSchemas, EventDefinitions>;

interface Named<V> {
  readonly name: string;
  readonly it: V;
}
export type PathDevice = Named<Device>;
export interface PathTab extends Named<AnyTab> {
  readonly device: PathDevice;
}
export interface PathReceipt extends Named<Receipt> {
  readonly tab: PathTab;
  /** Index of the line that commits. */
  readonly line: number;
  durable: "pending" | "resolved" | "rejected";
  settled: Awaited<Receipt["settled"]> | undefined;
}

/** A run, as far as it got. */
export interface Scene {
  readonly app: AnyApp;
  readonly config: AnyApp["config"];
  readonly world: World;
  readonly server: AppServer | undefined;
  /** By slot. A device that nobody needs is never there. */
  readonly devices: Map<number, PathDevice>;
  readonly tabs: PathTab[];
  readonly receipts: PathReceipt[];
  /** Faults that last, by what they are, with how they end. */
  readonly lasting: Map<string, () => void>;
  readonly counts: Map<string, number>;
  readonly lines: string[];
  /** A number that was not given yet. */
  next(what: string): number;
}

export type Act = (scene: Scene, draw: Draw) => void | Promise<void>;

export const pickOf = <V>(of: readonly V[], draw: Draw): V | undefined =>
  of.length === 0 ? undefined : of[draw(of.length)];

export function count({ counts }: Scene, what: string): void {
  counts.set(what, (counts.get(what) ?? 0) + 1);
}

/** Whether the app's code runs, on data that is there. */
export const isReady = ({ it: { state, sync } }: PathTab): boolean =>
  state === "running" && ["ready", "degraded"].includes(sync.status.phase);
