/** What makes a clone ready, run on a made-up one: with an `npm` that only notes what it is asked for. */
import { spawnSync } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

async function cloned(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "sssync-setup-"));
  try {
    await cp(fileURLToPath(new URL("../scripts", import.meta.url)), join(folder, "scripts"), {
      recursive: true,
    });
    await mkdir(join(folder, "bin"));
    await mkdir(join(folder, "packages"));
    await writeFile(join(folder, "bin/npm"), `#!/bin/sh\necho "$@" >> "${folder}/asked"\n`, {
      mode: 0o755,
    });
    await writeFile(join(folder, "package-lock.json"), "{}");
    await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const setUp = (folder: string) => {
  const script = join(folder, "scripts/setup.mjs");
  const env = { ...process.env, PATH: `${folder}/bin:${process.env["PATH"]}` };
  return spawnSync(process.execPath, [script, "--packages-only"], { env, encoding: "utf8" });
};
const asked = (folder: string): Promise<string> =>
  readFile(join(folder, "asked"), "utf8").catch(() => "nothing");

test.skipIf(process.platform === "win32")("installs the packages of a lock once", () =>
  cloned(async (folder) => {
    await mkdir(join(folder, "node_modules"));
    expect(setUp(folder).status).toBe(0);
    expect(setUp(folder).status).toBe(0);
    expect(await asked(folder)).toBe("ci --no-audit --no-fund\n");
  }),
);

test.skipIf(process.platform === "win32")("installs nothing through a link to other packages", () =>
  cloned(async (folder) => {
    await symlink(join(folder, "packages"), join(folder, "node_modules"));
    const { status, stderr } = setUp(folder);
    expect(status).toBe(1);
    expect(stderr).toContain("got a link to others");
    expect(await asked(folder)).toBe("nothing");
    // Theirs are of the same lock: that is fine.
    await rm(join(folder, "node_modules"));
    await mkdir(join(folder, "node_modules"));
    setUp(folder);
    await rm(join(folder, "packages"), { recursive: true });
    await cp(join(folder, "node_modules"), join(folder, "packages"), { recursive: true });
    await rm(join(folder, "node_modules"), { recursive: true });
    await symlink(join(folder, "packages"), join(folder, "node_modules"));
    expect(setUp(folder).status).toBe(0);
  }),
);
