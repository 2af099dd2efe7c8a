// @ts-check
/** `npm run devices`: the tests with several devices at full length; `SEED=2` for another run of them. */
import { spawnSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";

const vitest = fileURLToPath(new URL("../../node_modules/vitest/vitest.mjs", import.meta.url));
const args = ["run", "--project", "e2e", "test/devices"];
const { status } = spawnSync(process.execPath, [vitest, ...args], {
  stdio: "inherit",
  env: { ...process.env, DEVICES: "full" },
});
process.exitCode = status ?? 1;
