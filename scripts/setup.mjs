// @ts-check
/**
 * Makes a fresh clone ready: `node scripts/setup.mjs [--packages-only]`.
 * Installs the packages when the lock changed since the last time, and looks for (on Debian as root: installs) Chromium.
 * Does nothing, in a few milliseconds, when all is there. Dependency-free: it runs before any package exists.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, lstatSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromiumHelp, findChromium } from "./chromium.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const packages = join(root, "node_modules");
const stamp = join(packages, ".sssync-lock");

/** @type {(message: string) => never} */
const fail = (message) => {
  console.error(`\nsetup: ${message}\n`);
  process.exit(1);
};

/**
 * Runs a command with its output shown and its input closed, so that it cannot wait for an answer.
 *
 * @type {(command: string, args: string[], env?: NodeJS.ProcessEnv) => boolean}
 */
const run = (command, args, env = process.env) => {
  const shell = process.platform === "win32" && command === "npm";
  const result = spawnSync(command, args, {
    cwd: root,
    env,
    shell,
    stdio: ["ignore", "inherit", "inherit"],
  });
  return result.status === 0;
};

const requireNode = () => {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    fail(`Expected Node.js to be 20.19 or newer, got ${process.versions.node}.`);
  }
};

/** The stamp is written after a complete install only, so one that was interrupted is done again. */
const installPackages = () => {
  const lock = createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === lock) return;
  // npm would empty what it leads to, under whoever else uses that.
  if (lstatSync(packages, { throwIfNoEntry: false })?.isSymbolicLink() === true)
    fail(
      `Expected node_modules to hold the packages of package-lock.json, got a link to others: ${readlinkSync(packages)}\n` +
        "Run `npm ci` where it leads, or remove the link.",
    );
  console.log("setup: installing packages (npm ci)");
  if (!run("npm", ["ci", "--no-audit", "--no-fund"])) fail("npm ci failed; see its output above.");
  writeFileSync(stamp, lock);
};

const isDebianRoot = () =>
  process.getuid?.() === 0 &&
  existsSync("/etc/os-release") &&
  /^ID=debian$/m.test(readFileSync("/etc/os-release", "utf8"));

const installChromium = () => {
  if (findChromium()) return;
  if (!isDebianRoot()) fail(chromiumHelp());
  console.log("setup: installing Chromium (apt-get)");
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const installed =
    run("apt-get", ["update", "-q"], env) &&
    run("apt-get", ["install", "-y", "-q", "chromium"], env);
  if (!installed || !findChromium()) fail(`apt-get could not install it.\n${chromiumHelp()}`);
};

try {
  requireNode();
  installPackages();
  if (!process.argv.includes("--packages-only")) installChromium();
} catch (error) {
  fail(error instanceof Error ? error.message : String(error));
}
