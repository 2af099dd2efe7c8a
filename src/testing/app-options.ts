/** What an app tells `appPaths` of itself. */
import { type EventInput, type SyncActor, type SyncConfig, type TableReaders } from "../api.ts";
import { type SyncErrorCode } from "../errors.ts";
import { type EventDefinitions, type TableSchemas } from "../model/definition.ts";
import { type ServerRules } from "./app-server.ts";
import { type Converged } from "./converge.ts";
import { type Draw } from "./scheduler.ts";

/** What a command has to choose from: the tab in which somebody does something. */
export interface CommandContext<T extends TableSchemas, E extends EventDefinitions> {
  /** A whole number from the seed: `draw(6)` gives 0 to 5. Lower ones should be plainer: failures are made plain with them. */
  readonly draw: Draw;
  /** One of them, drawn; undefined where there is none. */
  pick<R>(of: readonly R[]): R | undefined;
  /** An id that no other call gave. */
  id(): string;
  readonly tables: TableReaders<T>;
  readonly sync: SyncActor<T, E>;
}

/** What somebody does who uses the app: the event or events of one commit, or nothing when it cannot be done now. */
export type Command<T extends TableSchemas, E extends EventDefinitions> = (
  context: CommandContext<T, E>,
) => EventInput<E> | readonly EventInput<E>[] | undefined;

/** Says what is wrong, at once, or throws. */
export type Invariant<T extends TableSchemas> = (
  tables: TableReaders<T>,
) => string | undefined | void;

/** Says what is wrong, or throws. Gets what all tabs and devices have come to. */
export type Outcome<T extends TableSchemas, E extends EventDefinitions> = (
  end: Converged<T, E>,
) => string | undefined | void;

/** What happens in between, by what it happens to. */
export type Trouble = "pages" | "messages" | "storage" | "network" | "rejections";

export interface AppPathOptions<T extends TableSchemas, E extends EventDefinitions> {
  readonly commands: Readonly<Record<string, Command<T, E>>>;
  /** What holds in every tab at every time, by a sentence that says it. */
  readonly invariants?: Readonly<Record<string, Invariant<T>>>;
  /** What holds when faults have stopped and all have come to one thing, by a sentence that says it. */
  readonly outcomes?: Readonly<Record<string, Outcome<T, E>>>;
  /**
   * What the server does beside what the configuration says: `authorize`, `limits`, …; `false`: there is none. Default: a
   * server that accepts everything when the configuration has one.
   */
  readonly server?: ServerRules<T, E> | false;
  /** A whole number. Default 1. Each run has the seed after that of the run before. */
  readonly seed?: number;
  /** How many runs, each with devices of its own. Default 30. */
  readonly runs?: number;
  /** At most so many steps in a run, those that open tabs and begin included, which come in any case. Default 30. */
  readonly steps?: number;
  /** Default: 2 with a server, 1 without: nothing connects them then. */
  readonly devices?: number;
  /** At most so many tabs of each device at a time. Default 2. */
  readonly tabs?: number;
  /** What is not to happen. Default: all of it happens. */
  readonly without?: readonly Trouble[];
  /** Codes that `commit` may throw: those of a materializer that refuses. Default: none. */
  readonly mayThrow?: readonly SyncErrorCode[];
  /** Makes ids of running numbers, where a schema wants them to look like something. Default: `id-1`, `id-2`, … */
  readonly id?: (count: number) => string;
  /** Where a printed test finds `config` and `options`. Default `./app.paths.ts`. */
  readonly module?: string;
}

/** The options of an app with this configuration. */
export type AppPathOptionsOf<C> = C extends {
  readonly tables: infer T extends TableSchemas;
  readonly events: infer E extends EventDefinitions;
}
  ? AppPathOptions<T, E>
  : never;

/** The configuration of an app, as every tab is opened with it. */
export type AppConfig<T extends TableSchemas, E extends EventDefinitions> = Omit<
  SyncConfig<T, E>,
  "environment"
>;

/** An app and its options, whatever its tables and events are. */
export interface AnyApp {
  readonly config: AppConfig<TableSchemas, EventDefinitions>;
  readonly options: AppPathOptions<TableSchemas, EventDefinitions>;
}

/** Whether there is a server. */
export const hasServer = ({ config, options }: AnyApp): boolean =>
  options.server !== false && (config.server !== undefined || options.server !== undefined);

export const devicesOf = (app: AnyApp): number => app.options.devices ?? (hasServer(app) ? 2 : 1);
export const tabsOf = ({ options }: AnyApp): number => options.tabs ?? 2;
