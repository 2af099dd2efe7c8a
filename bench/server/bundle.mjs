// @ts-check
import { mkdtempSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "vite";

export const root = fileURLToPath(new URL("../..", import.meta.url));

/**
 * Builds the source as it is now into a folder of its own, which the caller removes.
 *
 * @type {() => Promise<{ folder: string, url: string }>}
 */
export async function bundle() {
  const folder = mkdtempSync(join(tmpdir(), "sssync-bench-"));
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"), "junction");
  await build({
    root,
    configFile: false,
    logLevel: "silent",
    build: {
      ssr: join(root, "bench/server/entry.ts"),
      outDir: join(folder, "dist"),
      minify: false,
    },
  });
  return { folder, url: pathToFileURL(join(folder, "dist", "entry.js")).href };
}
