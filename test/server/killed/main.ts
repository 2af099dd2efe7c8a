/** A process that pushes commits of two events until it is killed, and tells each id that was acknowledged. */
import process from "node:process";
import { sqlite } from "../../../src/server/sqlite.ts";
import { createWriter, serve } from "../app.ts";

const [file = "", client = ""] = process.argv.slice(2);
const server = serve({ storage: await sqlite({ file }) });
const { add, push } = createWriter(client);
for (let commit = 1; ; commit += 1) {
  const tx = { tx: `${client}-tx-${commit}` };
  const { status, body } = await push(server, "one", [add("a", tx), add("b", tx)]);
  if (status !== 200) throw new Error(JSON.stringify(body));
  process.stdout.write(`${body.results.map(({ id }: { id: string }) => id).join("\n")}\n`);
}
