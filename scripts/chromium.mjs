// @ts-check
/**
 * Finds the Chromium that browser tests run in: whatever is installed, since Playwright's own download is not needed.
 * Dependency-free, because scripts/setup.mjs imports it before any package is installed.
 */
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join } from "node:path";

/** Without touching the network, and able to run as root in a container. */
const flags = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** What Chromium keeps IndexedDB in: LevelDB, or SQLite as Firefox and Safari do. @type {(sqlite: boolean) => string} */
export const backendFlag = (sqlite) =>
  `--${sqlite ? "enable" : "disable"}-features=IdbSqliteBackingStore`;

/** Names looked for on the PATH, the plainest first. */
const COMMANDS = [
  "chromium",
  "chromium-browser",
  "google-chrome",
  "google-chrome-stable",
  "microsoft-edge",
  "microsoft-edge-stable",
];

/** @type {(env: NodeJS.ProcessEnv, platform: NodeJS.Platform) => string[]} */
const candidates = (env, platform) => {
  if (platform === "darwin") {
    const apps = ["Chromium", "Google Chrome", "Microsoft Edge"];
    const folders = ["/Applications", join(env["HOME"] ?? "/", "Applications")];
    return folders.flatMap((folder) =>
      apps.map((app) => join(folder, `${app}.app`, "Contents", "MacOS", app)),
    );
  }
  if (platform === "win32") {
    const roots = [env["PROGRAMFILES"], env["PROGRAMFILES(X86)"], env["LOCALAPPDATA"]];
    const files = [
      join("Chromium", "Application", "chrome.exe"),
      join("Google", "Chrome", "Application", "chrome.exe"),
      join("Microsoft", "Edge", "Application", "msedge.exe"),
    ];
    return roots.flatMap((root) => (root ? files.map((file) => join(root, file)) : []));
  }
  const folders = [...(env["PATH"] ?? "").split(delimiter), "/usr/bin", "/usr/local/bin"];
  return COMMANDS.flatMap((command) =>
    [...new Set(folders)].filter(Boolean).map((folder) => join(folder, command)),
  );
};

/** @type {(path: string) => boolean} */
const isExecutable = (path) => {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
};

/**
 * Returns the path of a Chromium, or `undefined` where none is installed.
 * `CHROMIUM_PATH` wins; one that names no executable throws, since falling back would test another browser than asked for.
 *
 * @param {NodeJS.ProcessEnv} [env]
 * @param {NodeJS.Platform} [platform]
 * @returns {string | undefined}
 */
export const findChromium = (env = process.env, platform = process.platform) => {
  const asked = env["CHROMIUM_PATH"];
  if (asked) {
    if (isExecutable(asked)) return asked;
    throw new Error(`Expected CHROMIUM_PATH to name an executable file, got "${asked}"`);
  }
  return candidates(env, platform).find(isExecutable);
};

/**
 * How tests and measurements start it, with more flags of their own. Without an executable where none is installed.
 *
 * @type {(...more: string[]) => { executablePath?: string, args: string[] }}
 */
export const chromiumLaunch = (...more) => {
  const executablePath = findChromium();
  return { ...(executablePath === undefined ? {} : { executablePath }), args: [...flags, ...more] };
};

/**
 * Says what was looked for and what to do.
 *
 * @returns {string}
 */
export const chromiumHelp = () =>
  [
    "Expected Chromium, Google Chrome or Microsoft Edge to be installed, got none.",
    process.platform === "darwin" || process.platform === "win32"
      ? "Looked for its application in the usual folders."
      : `Looked on the PATH for ${COMMANDS.join(", ")}.`,
    "Install one of them, or set CHROMIUM_PATH to the executable.",
  ].join("\n");
