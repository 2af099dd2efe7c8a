/** The stimuli in memory: one virtual device, its tab under test, and a rival page without an engine. */
import { type InspectionEvent } from "xstate";
import { encodeSegment } from "../../src/model/segment.ts";
import { type JsonObject } from "../../src/index.ts";
import { decodeRecord } from "../../src/model/stored.ts";
import { type Environment } from "../../src/services/ports.ts";
import { type Device, type DevicePage, createWorld } from "../../src/testing/index.ts";
import { namesOf } from "../../src/testing/instrument.ts";
import { openTodos } from "../support/todos.ts";
import { type CommitReading, type Stimuli } from "./stimuli.ts";
import { createGates } from "./virtual-gates.ts";
import { createVirtualServer } from "./virtual-server.ts";

/** Name of the database, the lock and the channel of the app. */
const scope = "sssync/todos/";

const codeOf = (error: unknown): string => (error as { readonly code?: string }).code ?? "thrown";

/** Tells of a promise what became of it. */
function watch(promise: Promise<unknown>): () => string {
  let state = "pending";
  promise.then(
    () => (state = "resolved"),
    (error: unknown) => (state = codeOf(error)),
  );
  return () => state;
}

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
  const commits: (() => CommitReading)[] = [];
  const changes: (() => CommitReading)[] = [];
  let made = 0;
  let page: DevicePage | undefined;
  let sync: ReturnType<typeof openTodos> | undefined;
  let ready: (() => string) | undefined;
  let tids: string[] = [];
  let posted: string[] = [];
  let silent = false;
  let schema:
    | { version: number; migrate: (table: string, row: JsonObject) => JsonObject }
    | undefined;

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

  function inspect(event: InspectionEvent): void {
    if (event.type === "@xstate.microstep") tids.push(...namesOf(event));
  }

  function environmentOf({ environment }: DevicePage): Environment {
    const gated = gates.around(environment);
    const { channel } = environment;
    return {
      ...gated,
      channel: channel && {
        open(name, receive, broken) {
          const opened = channel.open(name, receive, broken);
          return {
            ...opened,
            post(message) {
              if (silent) {
                silent = false;
                throw new Error("Broken: a message");
              }
              posted.push((message as { readonly kind: string }).kind);
              opened.post(message);
            },
          };
        },
      },
    };
  }

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
    schema = { version: 2, migrate: (_, row) => row };
  }

  const add = (id: string) => sync?.commit({ name: "todoAdded", payload: { id, text: "Milk" } });

  function gateOf(): string {
    try {
      // Whether commits pass is asked before what is in them.
      sync?.commit({ name: "none", payload: null } as never);
      return "none";
    } catch (error) {
      const code = codeOf(error);
      return code === "unknown_event" ? "open" : code;
    }
  }

  const settle = (): Promise<void> => device.settle();
  async function pass(ms: number): Promise<void> {
    await device.pass(ms);
  }
  return {
    async open({ noLocks = false, noChannel = false, older = 0, live, ...config } = {}) {
      if (older > 0) await leaveOlder(older);
      gates.begin();
      page = device.openPage();
      const environment = environmentOf(page);
      sync = openTodos({
        ...config,
        ...(schema && { schema }),
        ...(live !== undefined && { server: { url: online.url, live } }),
        inspect,
        environment: {
          ...environment,
          ...(noLocks && { locks: null }),
          ...(noChannel && { channel: null }),
        },
      });
      ready = watch(sync.ready);
      await settle();
    },
    stop: at(() => void sync?.stop().catch(() => undefined)),
    async commit(count = 1) {
      made += 1;
      const id = `todo-${made}`;
      for (let more = 1; more < count; more += 1) add(`${id}-${more}`);
      const receipt = add(id);
      if (receipt === undefined) throw new Error("Expected an engine to commit to, got none");
      const [durable, settled] = [watch(receipt.durable), watch(receipt.settled)];
      commits.push(() => ({ id, durable: durable(), settled: settled() }));
      await settle();
    },
    async change(id) {
      const receipt = sync?.commit({ name: "todoRenamed", payload: { id, text: "Bread" } });
      if (receipt === undefined) throw new Error("Expected an engine to commit to, got none");
      const [durable, settled] = [watch(receipt.durable), watch(receipt.settled)];
      changes.push(() => ({ id, durable: durable(), settled: settled() }));
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
        // What was promised of it is over.
        commits.length = 0;
      }),
      damage: at(() => device.disk.put("meta", "format", "none", scope)),
      putNewer: at(() => device.disk.put("meta", "schema", 99, scope)),
      full: async (isSo) => {
        device.quota(isSo);
        await Promise.resolve();
      },
    },
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
    channel: { breakNext: at(() => (silent = true)) },
    rival: {
      beats: async (later = false) => {
        say({ kind: "heartbeat", term: termOf() + (later ? 1 : 0), position: 0 });
        await settle();
      },
      claims: at(() => device.disk.put("meta", "term", termOf() + 1, scope)),
      isNewer: at(() => say({ kind: "poke", schema: 2 })),
      tells: async (distance) => {
        const last = Number(device.disk.contents(scope)?.log.at(-1)?.[0] ?? 0);
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
      breakNext: gates.breakTimer,
    },
    async read() {
      const log = device.disk.contents(scope)?.log ?? [];
      const records = log.map(([, value]) => decodeRecord(value));
      const reading = {
        status: sync?.status ?? null,
        value: sync?.getSnapshot().value ?? null,
        ready: ready?.() ?? "pending",
        gate: gateOf(),
        rows: sync?.tables.todos.toArray() ?? [],
        commits: commits.map((read) => read()),
        queues: gates.queues(),
        changes: changes.map((read) => read()),
        lock: gates.holds() ? "tab" : rivalHolds ? "rival" : "nobody",
        logged: records.flatMap((record) =>
          record?.kind === "commit"
            ? record.events.map(({ payload }) => String((payload as { id?: unknown }).id))
            : [],
        ),
        term: termOf(),
        connections: gates.connections(),
        asked: gates.asked(),
        posted,
        requested: online.requested(),
        onServer: await online.size(),
      } as const;
      posted = [];
      return structuredClone(reading);
    },
    async taken() {
      const all = tids;
      tids = [];
      return await Promise.resolve(all);
    },
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
