/** Runs the cases against a server, several at a time, each in spaces of its own and with a deadline. */
import { type Info, decodeInfo } from "../protocol/index.ts";
import { type Case, type Effort, type Level, type Need, covers } from "./case.ts";
import { cases as allCases } from "./cases/index.ts";
import { Skipped, render } from "./check.ts";
import { type Fetch, type Target, type TokenName, read, send, unknownInfo } from "./target.ts";
import { createTrial } from "./trial.ts";

export interface ConformanceOptions {
  /** Where the server is: `https://host/sync`. */
  readonly url: string;
  /** Cases of this level and those below it are run. */
  readonly level: Level;
  /** Default: the global one. */
  readonly fetch?: Fetch;
  /** Default: the names themselves, `A`, `B`, `R`, `X`. */
  readonly tokens?: Partial<Readonly<Record<TokenName, string>>>;
  /** URL of the control plane. Default: `{url}/_test` when the server's info names the feature `test`. */
  readonly control?: string;
  /** URL of a second process on the same data. */
  readonly peer?: string;
  /** Path below the URL of a query of a space's items. Default: `/{space}/items` when there is a control plane. */
  readonly query?: string;
  /** An origin that the server lets in. Default `https://app.example`. */
  readonly origin?: string;
  /** Only these cases, or groups by their letter. */
  readonly only?: readonly string[];
  /** Cases at a time. Default 6. */
  readonly concurrency?: number;
  /** Before a case counts as hung, in place of its own, in s. */
  readonly deadline?: number;
  /** How hard the long cases try. */
  readonly effort?: Partial<Effort>;
  /** What is skipped counts as failed. */
  readonly all?: boolean;
  /** Ends the run. */
  readonly signal?: AbortSignal;
  /** Called with each result, in the order in which the cases end. */
  onResult?(result: CaseResult): void;
}

export interface CaseResult {
  readonly id: string;
  readonly title: string;
  readonly clause: string;
  readonly level: Level;
  readonly status: "passed" | "failed" | "skipped";
  /** Why it failed or was skipped. */
  readonly reason?: string;
  readonly ms: number;
}

export interface ConformanceReport {
  readonly url: string;
  readonly level: Level;
  /** As its info names it. */
  readonly server: string | undefined;
  readonly features: readonly string[];
  /** What repeats the random parts. */
  readonly seed: number;
  /** Whether all that the level requires was run and passed: none failed, and what was skipped is optional. */
  readonly ok: boolean;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** In the order of the list of cases. */
  readonly results: readonly CaseResult[];
}

const defaultEffort: Effort = { seed: 1, histories: 8, soak: 2, bootstrap: 10_000, slack: 1 };

/** In s, for each case where not even `info` was answered in time: it would be waited for in all of them. */
const silentDeadline = 0.5;

async function readInfo(target: Target, silent: () => void): Promise<Info> {
  try {
    const signal = AbortSignal.timeout(10_000);
    const { json } = await read(await send(target, "/info", { signal }));
    const info = decodeInfo(json);
    return "value" in info ? info.value : unknownInfo;
  } catch (error) {
    if ((error as Error).name === "TimeoutError") silent();
    // H1 tells it; the other cases say what else is wrong.
    return unknownInfo;
  }
}

/** Why a case is not for this server. */
function missing(need: Need, target: Target, info: Info): string | undefined {
  const has = {
    control: target.control !== undefined,
    query: target.query !== undefined,
    peer: target.peer !== undefined,
    actions: info.deliver !== "events",
    wait: info.features.includes("wait") || info.live.includes("wait"),
    snapshot: info.features.includes("snapshot"),
    tx: info.features.includes("tx"),
    key: info.features.includes("key"),
  } satisfies Record<Need, boolean>;
  if (has[need]) return undefined;
  if (need === "control") return "needs a control plane";
  if (need === "query" || need === "peer") return `needs --${need}`;
  return `needs \`${need}\`, which the server does not offer`;
}

const sayWhy = (error: unknown): string => {
  if (!(error instanceof Error)) return render(error);
  // fetch says what went wrong only in the cause.
  const cause = error.cause instanceof Error ? `: ${error.cause.message}` : "";
  return error.name === "Failed" ? error.message : `${error.name}: ${error.message}${cause}`;
};

async function runCase(
  it: Case,
  target: Target,
  info: Info,
  { level, deadline, signal }: ConformanceOptions,
  effort: Effort,
): Promise<CaseResult> {
  const { id, title, clause } = it;
  const began = performance.now();
  const done = (status: CaseResult["status"], reason?: string): CaseResult => ({
    id,
    title,
    clause,
    level: it.level,
    status,
    ...(reason !== undefined && { reason }),
    ms: Math.round(performance.now() - began),
  });
  for (const need of it.needs ?? []) {
    const reason = missing(need, target, info);
    if (reason !== undefined) return done("skipped", reason);
  }
  const stop = new AbortController();
  const seconds = (deadline ?? it.seconds ?? 30) * Math.max(1, effort.slack);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`no end within ${seconds} s`));
    }, seconds * 1000);
  });
  try {
    const either = signal === undefined ? stop.signal : AbortSignal.any([stop.signal, signal]);
    const trial = createTrial(id, target, info, level, effort, either);
    await Promise.race([it.run(trial), late]);
    return done("passed");
  } catch (error) {
    if (error instanceof Skipped) return done("skipped", error.message);
    return done("failed", sayWhy(error));
  } finally {
    clearTimeout(timer);
    // Requests and streams that are still open belong to a case that is over.
    stop.abort();
  }
}

/**
 * Runs the conformance cases against a server, over HTTP. Never throws for what the server does.
 *
 * @example
 * import { runConformance } from "sssync/conformance";
 *
 * const report = await runConformance({ url: "http://127.0.0.1:8787/sync", level: "L3" });
 */
export async function runConformance(options: ConformanceOptions): Promise<ConformanceReport> {
  const { level, only, concurrency = 6 } = options;
  const base = options.url.replace(/\/+$/, "");
  const first: Target = {
    base,
    fetch: options.fetch ?? ((input, init) => fetch(input, init)),
    tokens: { A: "A", B: "B", R: "R", X: "X", ...options.tokens },
    origin: options.origin ?? "https://app.example",
    peer: options.peer?.replace(/\/+$/, ""),
  };
  let { deadline } = options;
  const info = await readInfo(first, () => (deadline ??= silentDeadline));
  const ownControl = info.features.includes("test") ? `${base}/_test` : undefined;
  const control = (options.control ?? ownControl)?.replace(/\/+$/, "");
  const query = options.query ?? (control === undefined ? undefined : "/{space}/items");
  const target: Target = { ...first, control, query };
  const effort: Effort = { ...defaultEffort, ...options.effort };

  const wanted = allCases.filter(
    (it) =>
      covers(level, it.level) &&
      (only === undefined || only.some((name) => name === it.id || name === it.id[0])),
  );
  const results = new Map<string, CaseResult>();
  const run = async (it: Case): Promise<void> => {
    const how = deadline === undefined ? options : { ...options, deadline };
    const result = await runCase(it, target, info, how, effort);
    results.set(it.id, result);
    options.onResult?.(result);
  };
  const together = wanted.filter((it) => it.alone !== true);
  const lane = async (): Promise<void> => {
    for (let it = together.shift(); it !== undefined; it = together.shift())
      if (options.signal?.aborted !== true) await run(it);
  };
  await Promise.all(Array.from({ length: concurrency }, lane));
  for (const it of wanted) if (it.alone === true && options.signal?.aborted !== true) await run(it);

  const all = wanted.flatMap((it) => results.get(it.id) ?? []);
  const count = (status: CaseResult["status"]): number =>
    all.filter((it) => it.status === status).length;
  const failed = count("failed");
  const passed = count("passed");
  const skipped = count("skipped");
  return {
    url: options.url,
    level,
    server: info.server,
    features: info.features,
    seed: effort.seed,
    // Nothing that passed proves nothing.
    ok: failed === 0 && passed > 0 && (skipped === 0 || options.all !== true),
    passed,
    failed,
    skipped,
    results: all,
  };
}
