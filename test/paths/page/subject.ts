/** The tab under test, in a page: its ports are the browser's, with gates in front of them and a clock that stands. */
import { browserEnvironment } from "../../../src/services/browser-environment.ts";
import { type Environment } from "../../../src/services/ports.ts";
import { nextTask, systemClock } from "../../../src/services/system-clock.ts";
import { createVirtualClock } from "../../../src/testing/virtual-clock.ts";
import { openTodos } from "../../support/todo-app.ts";
import { type OpenOptions } from "../stimuli.ts";
import { createTab, newerSchema } from "../tab.ts";
import { createGates } from "../virtual-gates.ts";

/** What the page may have to do before it rests. More: it goes round in circles. */
const mostRounds = 10_000;

export function createSubject() {
  const environment = browserEnvironment();
  let gates = createGates();
  let tab = createTab(gates);
  let pauses = 0;
  let heard = 0;
  const complaints: string[] = [];
  addEventListener("unhandledrejection", ({ reason }) => complaints.push(String(reason)));
  addEventListener("error", ({ message }) => complaints.push(message));

  // The page is visible or not as the path says, and not as windows lie.
  let visible = true;
  let silent = false;
  Object.defineProperty(document, "visibilityState", {
    get: () => (visible ? "visible" : "hidden"),
  });
  function see(isSo: boolean): void {
    if (visible === isSo) return;
    visible = isSo;
    document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
  }
  const lifecycle = ["visibilitychange", "freeze", "resume", "pagehide", "pageshow"];
  let frozen = false;
  for (const type of lifecycle)
    addEventListener(
      type,
      (event) => {
        if (type === "freeze") frozen = true;
        if (type === "resume") frozen = false;
        if (silent || (event.isTrusted && type === "visibilitychange"))
          event.stopImmediatePropagation();
      },
      { capture: true },
    );

  const clock = createVirtualClock({
    now: Date.now(),
    async pause() {
      pauses += 1;
      await systemClock.pause();
      pauses -= 1;
    },
  });

  const echo = new BroadcastChannel("echo");
  const answers = new Map<number, () => void>();
  let asked = 0;
  echo.onmessage = ({ data }: MessageEvent<{ readonly answer?: number }>) =>
    answers.get(data.answer ?? 0)?.();

  /** There and back: to the rival, and to who keeps the locks. */
  async function round(): Promise<void> {
    asked += 1;
    const answered = new Promise<void>((resolve) => answers.set(asked, resolve));
    echo.postMessage({ ask: asked });
    await Promise.all([answered, navigator.locks.query()]);
    for (let tasks = 0; tasks < 3; tasks += 1) await nextTask();
  }

  /** Runs what needs no time, until nothing is under way and nothing has changed twice in a row. */
  async function settle(): Promise<void> {
    let quiet = 0;
    for (let rounds = 0; quiet < 2; rounds += 1) {
      if (rounds === mostRounds) throw new Error("Expected the page to come to rest, got none");
      const before = tab.moves() + heard;
      let fired = 0;
      for (; (clock.next() ?? Infinity) <= clock.now(); fired += 1) {
        clock.fire();
        await nextTask();
      }
      await round();
      const rests = fired + gates.running() + pauses === 0 && before === tab.moves() + heard;
      quiet = rests ? quiet + 1 : 0;
    }
  }

  async function pass(ms: number): Promise<void> {
    const end = clock.now() + ms;
    for (;;) {
      await settle();
      const next = clock.next();
      if (next === null || next > end) break;
      clock.skipTo(next);
    }
    clock.skipTo(end);
  }

  const ports: Environment = {
    ...environment,
    clock,
    channel: environment.channel && {
      open: (name, receive, broken) =>
        environment.channel?.open(
          name,
          (message) => {
            heard += 1;
            receive(message);
          },
          broken,
        ) as never,
    },
  };

  return {
    /** Another path. */
    begin(): void {
      gates = createGates();
      tab = createTab(gates);
    },
    open: (name: string, options: OpenOptions) =>
      tab.open(ports, options, {
        name,
        ...(((options.older ?? 0) > 0 || options.version === 2) && { schema: newerSchema }),
      }),
    stop: () => tab.stop(),
    commit: (count?: number) => tab.commit(count),
    change: (id: string) => tab.change(id),
    forget: () => tab.forget(),
    breakNextMessage: () => tab.breakNextMessage(),
    get disk() {
      return gates.disk;
    },
    get lock() {
      return gates.lock;
    },
    breakNow: () => gates.breakNow(),
    breakTimer: (ms: number) => gates.breakTimer(ms),
    see,
    isFrozen: () => frozen,
    settle,
    pass,
    async tick(): Promise<void> {
      const next = clock.next();
      if (next === null) throw new Error("Expected a timer to go on to, got none");
      await pass(Math.max(0, next - clock.now()));
    },
    read: () => ({ ...tab.read(), holds: gates.holds(), complaints }),
    taken: () => tab.taken(),
    /** The page hears no more of what happens to it: as if it crashed. */
    silence: () => (silent = true),
    /** What an engine shows that is opened now. Null: the data is not for it. */
    async fresh(name: string, older: boolean) {
      const own = openTodos({ name, ...(older && { schema: newerSchema }) });
      const rows = await own.ready.then(
        () => own.tables.todos.toArray(),
        () => null,
      );
      await own.stop();
      return rows;
    },
  };
}

export type Subject = ReturnType<typeof createSubject>;
