/** What has to hold of a device and its server whatever happened between them, seen from outside of the machine. */
import { expect } from "vitest";
import { type Reading, type RequestKind, type Stimuli } from "../stimuli.ts";
import { type Model } from "../suite.ts";

export const kinds: readonly RequestKind[] = ["push", "pull", "wait", "snapshot", "info", "live"];

const isTheirs = (id: string): boolean => id.startsWith("theirs-");

/** At any time, for what the tab committed and was told: G5, and no row that nobody made. */
export function expectSound({ rows, commits, onServer }: Reading): void {
  expect(new Set(onServer).size, "events that the server took in twice").toBe(onServer.length);
  const shown = new Set(rows.map(({ id }) => id));
  for (const { id, settled } of commits) {
    if (settled === "resolved") expect(onServer).toContain(id);
    if (settled === "rejected") expect(onServer).not.toContain(id);
    expect(shown.has(id), `the row ${id} of a commit that is ${settled}`).toBe(
      settled !== "rejected",
    );
  }
  // Of what others did, all that came before what is seen: in the log's order nothing is left out.
  const theirs = onServer.filter(isTheirs);
  const seen = rows.map(({ id }) => id).filter(isTheirs);
  expect(seen).toEqual(theirs.slice(0, seen.length));
}

/** Without any more trouble: all is decided, and the rows are what the server's log comes to (G5, G13). */
export async function expectInStep(stimuli: Stimuli, model: Model): Promise<void> {
  const { server, disk, lock, page, time, read } = stimuli;
  await server.setToken("mended");
  for (const kind of kinds) await server.release(kind);
  for (const operation of ["lead", "open"] as const) await disk.release(operation);
  await page.show();
  await lock.rivalLeaves();
  let reading = await read();
  // What it understands is not all, or nobody has said what becomes of the device's own data.
  const isHindered = reading.onServer.includes("archived") || model.open?.local === "stays";
  const rests = ({ status, rows, onServer }: Reading): boolean =>
    isHindered
      ? status?.sync === "incompatible"
      : status?.pending === 0 &&
        ["idle", "live"].includes(status.sync) &&
        rows.length === onServer.length;
  // At most, longer than anybody waits.
  for (let tries = 0; tries < 60 && (tries === 0 || !rests(reading)); tries += 1) {
    await time.pass(10_000);
    reading = await read();
  }
  expectSound(reading);
  const { status, rows, onServer, commits } = reading;
  if (isHindered) return expect(status?.sync).toBe("incompatible");
  expect(rows.map(({ id }) => id)).toEqual(onServer.toSorted());
  expect(status?.pending).toBe(0);
  expect(status?.sync).toMatch(/^(idle|live)$/);
  expect(commits.map(({ settled }) => settled)).not.toContain("pending");
}
