/** The stimuli in memory: one virtual device, its tab under test, and a rival page without an engine. */
import { encodeSegment } from "../../src/model/segment.ts";
import { createId } from "../../src/index.ts";
import { type LogRecord } from "../../src/model/log.ts";
import { encodeRecord } from "../../src/model/packed.ts";
import { decodeRecord } from "../../src/model/stored.ts";
import { type Device, type DevicePage, createWorld } from "../../src/testing/index.ts";
import { openTodos } from "../support/todo-app.ts";
import { type Stimuli } from "./stimuli.ts";
import { createTab, newerSchema } from "./tab.ts";
import { createDamage, work } from "./virtual-damage.ts";
import { createGates } from "./virtual-gates.ts";
import { createVirtualServer } from "./virtual-server.ts";

/** Name of the database, the lock and the channel of the app. */
const scope = "sssync/todos/";

/** Something that happens at once. */
const at = (act: () => unknown) => async (): Promise<void> => {
  act();
  await Promise.resolve();
};

export async function createVirtual(
  world = createWorld(),
  device: Device = world.createDevice(),
): Promise<Stimuli> {
  const online = createVirtualServer(world);
  const rival = device.openPage();
  const gates = createGates();
  const tab = createTab(gates);
  let page: DevicePage | undefined;
  let schema: typeof newerSchema | undefined;
  let works = 0;

  let rivalHolds = false;
  let rivalLets: (() => void) | undefined;
  const rivalChannel = rival.environment.channel?.open(
    scope,
    () => undefined,
    () => undefined,
  );
  function ask(steal: boolean): void {
    rivalLets?.();
    rivalHolds = false;
    rivalLets = rival.environment.locks?.request(
      scope,
      {
        granted: () => (rivalHolds = true),
        lost: () => (rivalHolds = false),
        failed: () => undefined,
      },
      { steal },
    );
  }
  const meta = (key: string): unknown =>
    device.disk.contents(scope)?.meta.find(([it]) => it === key)?.[1];
  const termOf = (): number => Number(meta("term") ?? 0);
  const say = (message: object): void =>
    rivalChannel?.post({
      p: 1,
      incarnation: meta("incarnation"),
      tab: "rival",
      schema: meta("schema"),
      ...message,
    });

  /** What an older version of the app leaves. */
  async function leaveOlder(count: number): Promise<void> {
    const other = device.openPage();
    const older = openTodos({ environment: other.environment });
    await device.run(older.ready);
    await device.run(older.stop());
    other.close();
    const marks = Array.from({ length: count }, (_, index) => {
      const id = `old-${String(index).padStart(3, "0")}`;
      const row = { id, text: "Milk", done: false };
      device.disk.put("segments", ["todos", index + 1], encodeSegment([row], [1], 1), scope);
      return { no: index + 1, low: id, count: 1, pos: 1, schema: 1 };
    });
    device.disk.put("meta", "manifest", { todos: marks }, scope);
    schema = newerSchema;
  }

  /** What the device decided while there was no server. */
  async function leaveLocal(): Promise<void> {
    const other = device.openPage();
    const own = openTodos({ environment: other.environment });
    await device.run(own.ready);
    rivalLets?.();
    own.commit({ name: "todoAdded", payload: { id: "local", text: "Milk" } });
    await device.pass(5000);
    await device.run(own.stop());
    other.close();
    ask(false);
    await settle();
  }

  const settle = (): Promise<void> => device.settle();
  async function pass(ms: number): Promise<void> {
    await device.pass(ms);
  }
  return {
    async open(options = {}) {
      const { older = 0, live, local, auth } = options;
      if (options.version === 2) schema = newerSchema;
      if (older > 0) await leaveOlder(older);
      if (local !== undefined) await leaveLocal();
      page = device.openPage();
      tab.open(page.environment, options, {
        ...(schema && { schema }),
        ...(live !== undefined && {
          server: {
            url: online.url,
            live,
            ...(auth === true && { auth: online.auth }),
            ...(local === "adopts" && { adopt: () => [] }),
          },
        }),
      });
      await settle();
    },
    stop: at(() => tab.stop()),
    async commit(count) {
      tab.commit(count);
      await settle();
    },
    async change(id) {
      tab.change(id);
      await settle();
    },
    page: {
      hide: at(() => page?.hide()),
      show: at(() => page?.show()),
      online: async (isSo) => {
        page?.setOnline(isSo);
        await Promise.resolve();
      },
      freeze: at(() => page?.freeze()),
      thaw: at(() => page?.thaw()),
      leave: at(() => page?.bfcache()),
      comeBack: at(() => page?.restore()),
      kill: at(() => page?.kill()),
    },
    disk: {
      ...gates.disk,
      close: at(() => page?.closeConnection()),
      putQuery: at(() => device.disk.put("queries", "query", "cached", scope)),
      remove: at(() => {
        device.deleteDatabase(scope);
        tab.forget();
      }),
      full: async (isSo) => {
        device.quota(isSo);
        await Promise.resolve();
      },
    },
    damage: createDamage(device, scope),
    lock: {
      ...gates.lock,
      async rivalAsks() {
        ask(false);
        await settle();
      },
      rivalLeaves: at(() => {
        rivalLets?.();
        rivalHolds = false;
      }),
      rivalSteals: at(() => ask(true)),
    },
    server: online.server,
    channel: { breakNext: at(() => tab.breakNextMessage()) },
    rival: {
      beats: async (later = false) => {
        say({ kind: "heartbeat", term: termOf() + (later ? 1 : 0), position: 0 });
        await settle();
      },
      claims: at(() => device.disk.put("meta", "term", termOf() + 1, scope)),
      isNewer: at(() => say({ kind: "poke", schema: 2 })),
      commits: async (length) => {
        // The log may be folded.
        const position = (device.databases.get(scope)?.position ?? 0) + 1;
        const payload = { id: `rival-${position}`, text: "x".repeat(length) };
        const event = { id: createId(), name: "todoAdded", v: 1, payload, at: device.now() };
        const record = { tab: "rival", n: position, schema: 1, kind: "commit", events: [event] };
        device.disk.put("log", position, encodeRecord(record as LogRecord), scope);
        say({ kind: "changed", position });
        await settle();
      },
      pokes: at(() => say({ kind: "poke" })),
      async works(folds = false) {
        works += 1;
        await work(device, `work-${works}`, folds, schema);
      },
      tells: async (distance) => {
        const last = device.databases.get(scope)?.position ?? 0;
        say({ kind: "changed", position: last + distance });
        await settle();
      },
    },
    time: {
      settle,
      pass,
      async tick() {
        const next = Math.min(...[rival, page].map((it) => it?.nextTimer() ?? Infinity));
        if (next === Infinity) throw new Error("Expected a timer to go on to, got none");
        await pass(Math.max(0, next - device.now()));
      },
      breakNow: gates.breakNow,
      breakNext: gates.breakTimer,
    },
    async read() {
      const log = device.disk.contents(scope)?.log ?? [];
      const records = log.map(([, value]) => decodeRecord(value));
      return {
        ...tab.read(),
        lock: gates.holds() ? "tab" : rivalHolds ? "rival" : "nobody",
        logged: records.flatMap((record) =>
          record?.kind === "commit"
            ? record.events.map(({ payload }) => String((payload as { id?: unknown }).id))
            : [],
        ),
        works,
        term: termOf(),
        requested: online.requested(),
        onServer: await online.log(),
      };
    },
    taken: async () => await Promise.resolve(tab.taken()),
    async fresh() {
      page?.kill();
      rivalLets?.();
      device.quota(false);
      await gates.mend();
      await online.mend();
      const other = device.openPage();
      const own = openTodos({ environment: other.environment, ...(schema && { schema }) });
      const opened = own.ready.then(
        () => own.tables.todos.toArray(),
        () => null,
      );
      const rows = await device.run(opened);
      other.kill();
      return structuredClone(rows);
    },
    close: at(() => {
      page?.kill();
      rival.kill();
    }),
  };
}
