import { type Command, type Io, UsageError } from "./command.ts";
import { conformCommand } from "./conform.ts";
import { serveCommand } from "./serve.ts";

/** A new subcommand is a line here. */
const commands: ReadonlyMap<string, Command> = new Map([
  ["serve", serveCommand],
  ["conform", conformCommand],
]);

const usage = `Usage: sssync <command> [options]

Commands:
  serve    a sync server for one machine
  conform  tests a sync server, in any language

"sssync <command> --help" tells the options of one.
`;

/** Runs a command line. Gives the exit code: 0, 1 when it failed, 2 when the command line is wrong. */
export async function runCli(args: readonly string[], io: Io): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === "--help" || name === "help") {
    (name === undefined ? io.err : io.out)(usage);
    return name === undefined ? 2 : 0;
  }
  const command = commands.get(name);
  if (command === undefined) {
    io.err(`Expected a command, got "${name}"\n\n${usage}`);
    return 2;
  }
  if (rest.includes("--help")) {
    io.out(command.usage);
    return 0;
  }
  try {
    return await command.run(rest, io);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    io.err(`${error.message}\n\n${command.usage}`);
    return 2;
  }
}
