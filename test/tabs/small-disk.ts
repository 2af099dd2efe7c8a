/** A disk that can be full: in memory, so big as a test wants it, and gone with the browser that lives on it. */
import { spawnSync } from "node:child_process";
import { open, rm, statfs } from "node:fs/promises";
import { join } from "node:path";

const mount = (path: string, megabytes: number, ...command: readonly string[]): string[] => [
  "sh",
  "-c",
  `mount -t tmpfs -o size=${megabytes}m sssync "$0" && exec "$@"`,
  path,
  ...command,
];

/** Nobody else sees such a disk, so it is not left behind. Root may do without a user namespace, where there are none. */
const ways: readonly (readonly string[])[] = [
  ["unshare", "--map-root-user", "--mount"],
  ["unshare", "--mount"],
];

/** The command that runs the one after it with a small disk at `path`; undefined where this is not permitted. */
export const smallDisk = (path: string, megabytes: number): readonly string[] | undefined =>
  ways
    .map((way): readonly string[] => way.concat(mount(path, megabytes)))
    .find(([command = "", ...rest]) => spawnSync(command, [...rest, "true"]).status === 0);

const chunk = Buffer.alloc(4096);

/** The disk at `path` as the process sees it. */
export function createFiller(pid: number | undefined, path: string) {
  const root = join(`/proc/${pid}/root`, path);
  const filler = join(root, "filler");
  return {
    /** Leaves so many bytes. */
    async fill(leave = 0): Promise<void> {
      const { bavail, bsize } = await statfs(root);
      const file = await open(filler, "w");
      try {
        // The browser goes on writing: what is meant to be full is full to the last byte.
        const size = leave === 0 ? Infinity : bavail * bsize - leave;
        for (let at = 0; at < size; at += chunk.length) await file.write(chunk);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
      } finally {
        await file.close();
      }
    },
    empty: (): Promise<void> => rm(filler),
  };
}
