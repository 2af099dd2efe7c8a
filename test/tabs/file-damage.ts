/** What can happen to the files in which Chromium keeps the IndexedDB of an origin. */
import { mkdir, readFile, readdir, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Backend } from "./chromium.ts";

export interface FileDamage {
  readonly what: string;
  /** Chromium goes back to what is older, or to nothing, without a word: see docs/storage-format.md. */
  readonly silent?: true;
  /** LevelDB goes on in the log that was cut, and at a later launch Chromium finds the cut, and throws all away (`lost`). */
  readonly torn?: true;
  /** The browser is killed before, and has not tidied up. */
  readonly killed?: true;
  /** Only with DAMAGE_CASES=all. */
  readonly rare?: true;
  /** Of the files of the origin: the paths of those that are damaged. */
  readonly files: RegExp;
  readonly how: (path: string) => Promise<unknown>;
}

const remove = (path: string): Promise<void> => rm(path);
const cutTo =
  (part: number) =>
  async (path: string): Promise<void> =>
    truncate(path, Math.floor((await stat(path)).size * part));

/** Writes over a part of a file: with zeros, or with bytes that follow from nothing. */
const overwrite =
  (from: number, to: number, fill: "zeros" | "garbage") =>
  async (path: string): Promise<void> => {
    const bytes = await readFile(path);
    const [begin, end] = [from, to].map((part) =>
      part > 1 ? Math.min(part, bytes.length) : Math.floor(part * bytes.length),
    ) as [number, number];
    for (let at = begin; at < end; at += 1)
      bytes[at] = fill === "zeros" ? 0 : (at * 167 + 13) % 251;
    await writeFile(path, bytes);
  };

/** Every so many bytes a page is gone: so that what is in use is hit as well as what is free. */
const overwritePages =
  (every: number, fill: "zeros" | "garbage") =>
  async (path: string): Promise<void> => {
    const bytes = await readFile(path);
    for (let page = every; page < bytes.length; page += every)
      for (let at = page; at < Math.min(page + 4096, bytes.length); at += 1)
        bytes[at] = fill === "zeros" ? 0 : (at * 167 + 13) % 251;
    await writeFile(path, bytes);
  };

/** It cannot be opened for writing, by anybody. */
const replaceByFolder = async (path: string): Promise<void> => {
  await rm(path);
  await mkdir(path);
};

const ofLevelDb: readonly FileDamage[] = [
  { what: "lock is a folder", files: /LOCK$/, how: replaceByFolder },
  { what: "log cut in half", torn: true, silent: true, files: /\.log$/, how: cutTo(0.5) },
  { what: "log zeroed in the middle", files: /\.log$/, how: overwrite(0.4, 0.6, "zeros") },
  {
    what: "log overwritten near its end",
    files: /\.log$/,
    how: overwrite(0.8, 0.9, "garbage"),
    rare: true,
  },
  { what: "log gone", silent: true, files: /\.log$/, how: remove, rare: true },
  { what: "table cut in half", files: /\.ldb$/, how: cutTo(0.5), rare: true },
  { what: "table overwritten in the middle", files: /\.ldb$/, how: overwrite(0.4, 0.6, "garbage") },
  { what: "tables gone", files: /\.ldb$/, how: remove, rare: true },
  { what: "tables zeroed", files: /\.ldb$/, how: overwrite(0, 1, "zeros"), rare: true },
  { what: "manifest overwritten", files: /MANIFEST/, how: overwrite(0, 1, "garbage") },
  { what: "manifest cut", files: /MANIFEST/, how: cutTo(0.5), rare: true },
  { what: "CURRENT empty", files: /CURRENT$/, how: cutTo(0) },
  { what: "CURRENT gone", files: /CURRENT$/, how: remove, rare: true },
  { what: "blobs gone", files: /\.blob\/.*\/[0-9a-f]+$/, how: remove },
  { what: "blobs cut in half", files: /\.blob\/.*\/[0-9a-f]+$/, how: cutTo(0.5), rare: true },
  { what: "blobs cut short", files: /\.blob\/.*\/[0-9a-f]+$/, how: cutTo(0.99), rare: true },
  { what: "blobs empty", files: /\.blob\/.*\/[0-9a-f]+$/, how: cutTo(0), rare: true },
  {
    what: "blobs overwritten",
    files: /\.blob\/.*\/[0-9a-f]+$/,
    how: overwrite(0, 1, "garbage"),
    rare: true,
  },
];

const ofSqlite: readonly FileDamage[] = [
  { what: "header overwritten", files: /[A-Z0-9]{20}$/, how: overwrite(0, 100, "garbage") },
  {
    what: "header zeroed",
    silent: true,
    files: /[A-Z0-9]{20}$/,
    how: overwrite(0, 100, "zeros"),
    rare: true,
  },
  {
    what: "pages overwritten",
    files: /[A-Z0-9]{20}$/,
    how: overwritePages(16_384, "garbage"),
    rare: true,
  },
  { what: "pages zeroed", files: /[A-Z0-9]{20}$/, how: overwritePages(65_536, "zeros") },
  {
    what: "end overwritten",
    files: /[A-Z0-9]{20}$/,
    how: overwrite(0.8, 1, "garbage"),
    rare: true,
  },
  { what: "cut in half", files: /[A-Z0-9]{20}$/, how: cutTo(0.5) },
  { what: "empty", silent: true, files: /[A-Z0-9]{20}$/, how: cutTo(0), rare: true },
  { what: "gone", silent: true, files: /[A-Z0-9]{20}$/, how: remove, rare: true },
  {
    what: "write-ahead log cut in half",
    killed: true,
    silent: true,
    files: /-wal$/,
    how: cutTo(0.5),
  },
  {
    what: "write-ahead log overwritten",
    killed: true,
    silent: true,
    files: /-wal$/,
    how: overwrite(0, 0.6, "garbage"),
    rare: true,
  },
  {
    what: "write-ahead log gone",
    killed: true,
    silent: true,
    files: /-wal$/,
    how: remove,
    rare: true,
  },
];

/** The cases of a backend: some, or all that there are. */
export const damagesOf = (backend: Backend, all: boolean): readonly FileDamage[] =>
  (backend === "LevelDB" ? ofLevelDb : ofSqlite).filter(({ rare }) => all || rare !== true);

/** Damages the files of an origin in a profile. Gives how many there were. */
export async function damageFiles(
  profile: string,
  origin: string,
  { files, how }: FileDamage,
): Promise<number> {
  const root = join(profile, "Default/IndexedDB");
  const { hostname, port } = new URL(origin);
  const all = await readdir(root, { recursive: true, withFileTypes: true });
  const paths = all
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => path.includes(`http_${hostname}_${port}`) && files.test(path));
  for (const path of paths) await how(path);
  return paths.length;
}
