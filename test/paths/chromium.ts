/**
 * The stimuli in a real Chromium: the tab under test is a page with the browser's own storage, locks, channel and lifecycle;
 * the rival is another page of the same origin. Each path has a database, a lock and a channel of its own.
 *
 * What is no real thing of the browser, and why:
 *
 * | stub                         | where                                                  | reason                                                                                         |
 * | ---------------------------- | ------------------------------------------------------ | ---------------------------------------------------------------------------------------------- |
 * | time                         | the clock port                                         | CDP lets time of a whole browser pass, and not that of one page                                |
 * | an operation waits           | a gate before the port                                 | nothing holds a single request of IndexedDB                                                    |
 * | kinds of failure             | a gate before the port                                 | CDP cannot abort a transaction, refuse a value, or hide an outcome                             |
 * | no space                     | a gate before the port                                 | tried: what Chromium knows of the space it believes for half a minute, whatever quota CDP sets |
 * | a connection that is closed  | a gate before the port                                 | what CDP closes by force it deletes                                                            |
 * | a lock refused, or told late | a gate before the port                                 | no page that is alive is refused a lock                                                        |
 * | a port that throws           | a gate before the port                                 | it would be a bug of the browser                                                               |
 * | visibility                   | `document`                                             | tried: a page that CDP freezes is hidden as well, and stays so: one event would be two         |
 * | the end of a path's tab      | lifecycle events are kept from it, then it is reloaded | a crash costs a process; to the engine it is the same                                          |
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BrowserContext, type CDPSession, type Page } from "playwright";
import { beforeAll } from "vitest";
import { openWindow } from "../tabs/browser.ts";
import { serveApp, startChromium } from "../tabs/chromium.ts";
import { type Rival } from "./page/rival.ts";
import { type Subject } from "./page/subject.ts";
import { type Reading, type Stimuli } from "./stimuli.ts";

/** Calls what a page has. */
interface Remote<Own> {
  readonly page: Page;
  readonly cdp: CDPSession;
  run<A extends readonly unknown[], R>(
    call: (own: Own, ...args: A) => R,
    ...args: A
  ): Promise<Awaited<R>>;
}

/** Arguments and results are plain data. Not Playwright's `evaluate`: this one takes half the time. */
function remote<Own>(page: Page, cdp: CDPSession): Remote<Own> {
  return {
    page,
    cdp,
    async run(call, ...args) {
      const given = args.map((it) => (it === undefined ? "undefined" : JSON.stringify(it)));
      const { result, exceptionDetails } = await cdp.send("Runtime.evaluate", {
        expression: `(${String(call)})(${["own", ...given].join(", ")})`,
        awaitPromise: true,
        returnByValue: true,
      });
      if (exceptionDetails !== undefined)
        throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
      return result.value as never;
    },
  };
}

const notHere = (): Promise<never> => Promise.reject(new Error("not in Chromium"));

/** One Chromium with one rival, for the paths of a file. Gives what makes the stimuli of a path. */
export function useChromium(): () => Promise<Stimuli> {
  let context: BrowserContext;
  let address = "";
  let rival: Remote<Rival>;
  let spare: Remote<Subject> | undefined;
  let paths = 0;

  async function openPage<Own>(hash: string): Promise<Remote<Own>> {
    const page = await openWindow(context);
    const cdp = await context.newCDPSession(page);
    await page.goto(`${address}${hash}`);
    return remote(page, cdp);
  }

  beforeAll(async () => {
    const profile = await mkdtemp(join(tmpdir(), "sssync-"));
    const [site, chromium] = await Promise.all([
      serveApp("../paths/page/main.ts"),
      startChromium(profile, "LevelDB"),
    ]);
    ({ context } = chromium);
    address = `http://paths.localhost:${site.port}/`;
    rival = await openPage("#rival");
    return async () => {
      await chromium.end("SIGTERM");
      await site.close();
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    };
  });

  return async () => {
    paths += 1;
    const subject = spare ?? (await openPage<Subject>(""));
    spare = undefined;
    return await createStimuli({
      name: `todos-${paths}`,
      rival,
      subject,
      origin: new URL(address).origin,
      keep: (it) => (spare = it),
    });
  };
}

interface Place {
  readonly name: string;
  readonly origin: string;
  readonly rival: Remote<Rival>;
  readonly subject: Remote<Subject>;
  /** The page is as if it were new. */
  keep(subject: Remote<Subject>): void;
}

async function createStimuli({ name, rival, subject, keep }: Place): Promise<Stimuli> {
  let state: "running" | "frozen" | "gone" = "running";
  let clean = false;
  let isNewer = false;
  await rival.run((own, it) => own.begin(it), name);
  await subject.run((own) => own.begin());

  /** What a frozen page has under way waits with it. */
  async function settle(): Promise<void> {
    if (state === "running") await subject.run((own) => own.settle());
    else await rival.run((own) => own.rest());
  }
  async function become(next: "frozen" | "running"): Promise<void> {
    if (state === next) return;
    const isFrozen = next === "frozen";
    await subject.cdp.send("Page.setWebLifecycleState", { state: isFrozen ? "frozen" : "active" });
    while ((await subject.run((own) => own.isFrozen())) !== isFrozen);
    state = next;
    await rival.run((own) => own.rest());
  }
  const see = async (isSo: boolean): Promise<void> => {
    if (state === "running") await subject.run((own, it) => own.see(it), isSo);
  };
  /** The page is another one, that knows nothing. */
  async function renew(): Promise<void> {
    await subject.run((own) => own.silence());
    await become("running");
    await subject.page.reload();
  }

  return {
    async open(options = {}) {
      const isOlder = (options.older ?? 0) > 0;
      isNewer = isOlder || options.version === 2;
      if (isOlder) {
        await subject.run((own, it) => own.fresh(it, false), name);
        await rival.run((own, it) => own.leaveOlder(it), options.older ?? 0);
      }
      await subject.run((own, it, how) => own.open(it, how), name, options);
      await settle();
    },
    stop: () => subject.run((own) => own.stop()),
    async commit(count) {
      await subject.run((own, it) => own.commit(it), count);
      await settle();
    },
    async change(id) {
      await subject.run((own, it) => own.change(it), id);
      await settle();
    },
    page: {
      hide: () => see(false),
      show: () => see(true),
      freeze: () => become("frozen"),
      thaw: () => become("running"),
      online: notHere,
      leave: notHere,
      comeBack: notHere,
      kill: notHere,
    },
    disk: {
      hold: (operation) => subject.run((own, it) => own.disk.hold(it), operation),
      holdNext: (operation) => subject.run((own, it) => own.disk.holdNext(it), operation),
      release: (which, how) =>
        subject.run((own, it, failure) => own.disk.release(it, failure), which, how),
      answer: (which, how) =>
        subject.run((own, it, failure) => own.disk.answer(it, failure), which, how),
      answerFirst: (which, how) =>
        subject.run((own, it, failure) => own.disk.answerFirst(it, failure), which, how),
      answerNo: (which, no, how) =>
        subject.run((own, it, at, failure) => own.disk.answerNo(it, at, failure), which, no, how),
      answerLast: (operation) => subject.run((own, it) => own.disk.answerLast(it), operation),
      take: (operation) => subject.run((own, it) => own.disk.take(it), operation),
      failNext: (which, how) =>
        subject.run((own, it, failure) => own.disk.failNext(it, failure), which, how),
      breakNext: (operation) => subject.run((own, it) => own.disk.breakNext(it), operation),
      breakClose: () => subject.run((own) => own.disk.breakClose()),
      close: () => subject.run((own) => own.disk.close()),
      block: () => subject.run((own) => own.disk.block()),
      unblock: (how) => subject.run((own, it) => own.disk.unblock(it), how),
      upgrade: () => rival.run((own) => own.upgrade()),
      async remove() {
        await rival.run((own) => own.remove());
        await subject.run((own) => own.forget());
      },
      putQuery: () => rival.run((own) => own.put("queries", "query", "cached")),
      full: notHere,
    },
    damage: {
      record: () => rival.run((own) => own.damageRecord()),
      meta: () => rival.run((own) => own.put("meta", "settled", "junk")),
      everything: () => rival.run((own) => own.damageEverything()),
      older: () => rival.run((own) => own.put("meta", "schema", 1)),
      newer: () => rival.run((own) => own.put("meta", "schema", 99)),
    },
    lock: {
      async rivalAsks() {
        await rival.run((own) => own.asks());
        await rival.run((own) => own.rest());
      },
      rivalLeaves: () => rival.run((own) => own.leaves()),
      rivalSteals: () => rival.run((own) => own.steals()),
      hush: () => subject.run((own) => own.lock.hush()),
      tell: () => subject.run((own) => own.lock.tell()),
      refuse: () => subject.run((own) => own.lock.refuse()),
      breakNext: () => subject.run((own) => own.lock.breakNext()),
    },
    channel: { breakNext: () => subject.run((own) => own.breakNextMessage()) },
    server: {
      hold: notHere,
      release: notHere,
      answer: notHere,
      replyNext: notHere,
      grow: notHere,
      sayPage: notHere,
      setToken: notHere,
      say: notHere,
      hangUp: notHere,
    },
    rival: {
      async beats(later) {
        await rival.run((own, it) => own.beats(it), later);
        await settle();
      },
      claims: () => rival.run((own) => own.claims()),
      isNewer: () => rival.run((own) => own.isNewer()),
      commits: notHere,
      pokes: notHere,
      works: (folds = false) => rival.run((own, it, newer) => own.works(it, newer), folds, isNewer),
      async tells(distance) {
        await rival.run((own, it) => own.tells(it), distance);
        await settle();
      },
    },
    time: {
      settle,
      pass: (ms) => subject.run((own, it) => own.pass(it), ms),
      tick: () => subject.run((own) => own.tick()),
      breakNow: () => subject.run((own) => own.breakNow()),
      breakNext: (ms) => subject.run((own, it) => own.breakTimer(it), ms),
    },
    async read(): Promise<Reading> {
      const [{ holds, complaints, ...seen }, other] = await Promise.all([
        subject.run((own) => own.read()),
        rival.run((own) => own.read()),
      ]);
      if (complaints.length > 0) throw new Error(complaints.join("\n"));
      return {
        ...seen,
        lock: holds ? "tab" : other.holds ? "rival" : "nobody",
        logged: other.logged,
        works: other.works,
        term: other.term,
        requested: [],
        onServer: [],
      };
    },
    taken: () => subject.run((own) => own.taken()),
    async fresh() {
      await renew();
      await rival.run((own) => own.leaves());
      const rows = await subject.run((own, it, older) => own.fresh(it, older), name, isNewer);
      clean = true;
      return rows;
    },
    async close() {
      await rival.run((own) => own.leaves());
      if (!clean) await subject.page.close();
      else keep(subject);
    },
  };
}
