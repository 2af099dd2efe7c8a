/** What subcommands of `sssync` have in common. */

/** What a command writes to, and by what it is ended. */
export interface Io {
  out(text: string): void;
  err(text: string): void;
  /** Aborted when the user or the system wants it to end. */
  readonly signal: AbortSignal;
}

export interface Command {
  /** All that `--help` says. */
  readonly usage: string;
  /** Gives the exit code: 0, or 1 when it failed. Throws `UsageError` when it was called wrongly. */
  run(args: readonly string[], io: Io): Promise<number>;
}

/** The command line is wrong: exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
