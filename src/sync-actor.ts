/** `createSyncActor`: wires gate, machines and services. The only file that knows all of them. */
import { type AnyActorRef, type InspectionEvent, createActor } from "xstate";
import { groupOf, provideActors } from "./actors.ts";
import { type SyncActor, type SyncConfig, type TableReaders } from "./api.ts";
import { createCollections } from "./collections.ts";
import { toUnit } from "./commit-input.ts";
import { SyncError } from "./errors.ts";
import { exportAll } from "./export.ts";
import { createFollower } from "./follower.ts";
import { createIdentity } from "./identity.ts";
import { type SyncEvent, syncMachine } from "./machines/sync.ts";
import { type EventDefinitions, type TableSchemas, compile } from "./model/definition.ts";
import { createIdMaker } from "./model/id.ts";
import { type Receipt, createPipeline } from "./pipeline.ts";
import { callSafely, createPublisher } from "./publisher.ts";
import { enlist, expectFree } from "./registry.ts";
import { createReadiness } from "./readiness.ts";
import { createReporter } from "./reporter.ts";
import { browserEnvironment } from "./services/browser-environment.ts";
import { createMemoryStorage } from "./services/memory-storage.ts";
import { type Environment, type LifecycleEvent } from "./services/ports.ts";
import { configFor, isDevelopment, readSettings } from "./settings.ts";
import { type Shared } from "./shared.ts";
import { type StatusFacts } from "./status.ts";
import { createTabs } from "./tabs.ts";
import { createUplink } from "./uplink.ts";

/** One for all engines of the page: they share its globals. */
let pageEnvironment: Environment | undefined;

/** An inspector must never break the app: a throw in one would kill the actor. */
const quietly =
  (inspect: (event: InspectionEvent) => void) =>
  (event: InspectionEvent): void =>
    callSafely(() => inspect(event));

/** What `live` says where nothing is live. */
const idle = { connection: "connected", commits: "flowing" } as const;

const leaving: ReadonlySet<LifecycleEvent> = new Set(["pagehide", "freeze"]);
const returning: ReadonlySet<LifecycleEvent> = new Set(["pageshow", "resume", "visible"]);
/** Moments at which it is worth asking the server. */
const waking: ReadonlySet<LifecycleEvent> = new Set([...returning, "online"]);

/**
 * Starts the engine of this tab: it opens the device's data, keeps it in memory and on disk, and in step with other tabs.
 *
 * Throws `SyncError` with `config` or `unstable_schema` when the configuration cannot work, and `already_running` when an
 * engine of this name runs in this page. Safe to call where there is no IndexedDB (server rendering): it stays `loading`.
 *
 * @example
 * const sync = createSyncActor({
 *   name: "todos",
 *   tables: { todos: v.object({ id: v.string(), text: v.string(), done: v.boolean() }) },
 *   events: { todoAdded: defineEvent({ schema: v.object({ id: v.string(), text: v.string() }) }) },
 *   materializers: { todoAdded: ({ id, text }) => [create("todos", { id, text, done: false })] },
 * });
 * await sync.ready;
 */
export function createSyncActor<const T extends TableSchemas, const E extends EventDefinitions>(
  config: SyncConfig<T, E>,
): SyncActor<T, E> {
  const plain = config as unknown as SyncConfig<TableSchemas, EventDefinitions>;
  const settings = readSettings(plain);
  const { name } = settings;
  const definition = compile(config, isDevelopment());
  const { schema } = definition;
  const environment = config.environment ?? (pageEnvironment ??= browserEnvironment());
  const turn = enlist(environment, name);
  const { clock, lifecycle } = environment;

  const bytes = (count: number): Uint8Array => environment.random.bytes(count);
  const randomName = (): string =>
    Array.from(bytes(8), (byte) => byte.toString(16).padStart(2, "0")).join("");
  const createEventId = createIdMaker(() => clock.now(), bytes);
  const tab = randomName();
  const readiness = createReadiness();

  let ignored = 0;
  let leaderSeen = false;
  let memoryOnly = false;
  let stopping: Promise<void> | undefined;
  let ended = false;
  let lost: string | undefined;

  const pipeline = createPipeline(tab, schema);
  const follower = createFollower({
    definition,
    tab,
    schema,
    publish: (changes) => (changes === undefined ? touch() : publisher.publish(changes)),
    publishAll: () => publisher.publishAll(),
    settle(settlements) {
      // What is in memory alone is decided for nobody.
      if (memoryOnly) return;
      for (const { entry, decisions } of settlements) pipeline.settle(entry, decisions);
    },
    keep({ key: id, ...rest }, isLeader) {
      if (isLeader) shared.unkept.set(id, { key: id, ...rest });
      return { id, ...rest, at: clock.now() };
    },
    dealtWith: (id) => void shared.unkept.delete(id),
    rejected: (events) => reporter.emit({ type: "rejected", events }),
    signal(signal) {
      // On the way of every commit of a leader: two machine events cost more than the commit, and mean nothing to most states.
      if (signal.type === "log.grew") uplink.grew();
      if (signal.type !== "log.grew" || wakesLeader()) send(signal);
    },
  });
  const { replica } = follower;
  const publisher = createPublisher(replica.tables, () => {
    reporter.rowsChanged();
    collections.changed();
  });
  const tables = publisher.readers as unknown as TableReaders<T>;
  const reporter = createReporter<T>(readFacts, tables);

  function touch(): void {
    reporter.touch();
    collections.changed();
  }

  const tabs = createTabs({
    port: environment.channel,
    name,
    definition,
    head: () =>
      follower.incarnation === ""
        ? undefined
        : { p: 1, incarnation: follower.incarnation, tab, schema },
    term: () => shared.term,
    news: () => uplink.news(),
    poked() {
      uplink.poked();
      if (shared.term !== undefined) send({ type: "wake" });
    },
    position: () => follower.position(),
    received: (position, record) => follower.receive(position, record),
    heard: (position) => follower.hear(position),
    look: follower.look,
    newer: () => send({ type: "schema.newer" }),
    left: () => follower.index.outdated(),
    migrating: (left) => follower.setMigration(left),
    leader(alive, term, server) {
      // Whoever leads by a later term has fenced this tab.
      if (shared.term !== undefined && term > shared.term) send({ type: "term.lost" });
      leaderSeen = alive;
      uplink.hear(server);
      if (alive) send({ type: "heartbeat.seen" });
      touch();
    },
    ignored() {
      ignored += 1;
      touch();
    },
  });

  const shared: Shared = {
    name,
    tab,
    schema,
    durability: settings.durability,
    definition,
    environment,
    follower,
    pipeline,
    tabs,
    lock: name,
    storage: environment.storage ?? createMemoryStorage(),
    connection: undefined,
    recognised: undefined,
    careful: false,
    thrownAway: false,
    term: undefined,
    reason: undefined,
    unkept: new Map(),
    unreadable: [],
    server: settings.server,
    replicator: undefined,
    randomName,
    lost(rows, kept, reason) {
      lost = reason;
      touch();
      send({ type: "data.replaced" });
      reporter.emit({ type: "lost", rows, kept, reason });
    },
  };

  const uplink = createUplink({
    server: settings.server,
    schema,
    environment,
    replicator: () => shared.replicator,
    machine: () => root.getSnapshot().children.replication,
    poke: () => tabs.poke(),
    tell: () => tabs.beat(),
  });

  const actors = provideActors(shared, uplink.view, {
    acknowledge: ({ event }) =>
      callSafely(() => {
        const { n, position } = groupOf(event);
        const group = pipeline.acknowledge(n);
        if (group === undefined) return;
        if (!memoryOnly || group.dismissal !== undefined) pipeline.keep(group);
        if (position === null) follower.look();
        else {
          follower.receive(position, group.record);
          tabs.changed(position, group.record);
        }
      }),
    rollBack: ({ event }, { code }) =>
      callSafely(() => follower.remove(pipeline.refuse(groupOf(event).n, code))),
    openGate: () => pipeline.setOpen(true),
    closeGate: () => pipeline.setOpen(false),
  });

  const root = createActor(
    syncMachine.provide({
      actors,
      actions: {
        useMemory() {
          memoryOnly = true;
          shared.storage = createMemoryStorage();
          shared.lock = `${name}#${tab}`;
          tabs.leave();
        },
        ready: () => readiness.resolve(),
        unusable({ event }, { code }) {
          // Of a service that threw, or of a machine that died of it.
          const { error, reason = error } = event as { reason?: string; error?: Error };
          if (reason !== undefined) {
            shared.reason = `${reason}. Reload the page.`;
            // What closes it otherwise may have died.
            pipeline.setOpen(false);
          }
          if (code === "outdated") follower.close();
          readiness.reject(unusable(code));
        },
      },
    }),
    {
      id: name,
      clock,
      input: {
        queue: pipeline,
        locks: {
          supported: () => environment.locks !== null,
          hears: () => environment.channel !== null,
          visible: () => lifecycle.visible(),
          spread: () => Number.parseInt(tab.slice(0, 8), 16) / 2 ** 32,
        },
        log: {
          isLong: () => follower.isLong(),
          hasLeft: () => follower.hasLeft(),
        },
        server: uplink.view,
        whenFull: settings.whenFull,
        memory: { allowed: () => settings.mayUseMemory && !memoryOnly },
      },
      ...(config.inspect === undefined ? {} : { inspect: quietly(config.inspect) }),
    },
  );

  function send(event: SyncEvent): void {
    // What is heard later is for nobody.
    if (!ended) root.send(event);
  }

  function wakesLeader(): boolean {
    const handoff = root.getSnapshot().children.handoff?.getSnapshot();
    return handoff?.matches({ leading: { serving: "asleep" } }) === true || follower.isLong();
  }

  function unusable(code: "outdated" | "load_failed"): SyncError {
    const message = `Expected the stored data to be usable by this version. ${shared.reason ?? ""}`;
    return new SyncError(code, message);
  }

  function readFacts(): StatusFacts {
    const { value, children, context } = root.getSnapshot();
    const { connection, commits } = typeof value === "string" ? idle : value.live;
    const degraded = commits === "flowing" ? "running" : "degraded";
    const live = connection === "connected" ? degraded : connection;
    const election = children.election?.getSnapshot();
    const doubted = election?.matches("probing") === true || election?.matches("stealing") === true;
    return {
      root: ended ? "stopped" : typeof value === "string" ? value : live,
      storage:
        environment.storage === null
          ? "closed"
          : (children.storage?.getSnapshot().value ?? "closed"),
      commit: commits,
      slow: context.slow,
      leading: children.handoff?.getSnapshot().matches({ leading: "serving" }) === true,
      leaderSeen: leaderSeen && !doubted,
      memoryOnly,
      pending: pipeline.undecidedEvents(),
      oldestPendingAt: pipeline.oldestUndecided()?.unit[0]?.at ?? null,
      rejected: collections.rejected.size,
      quarantined: collections.quarantine.size,
      behind: follower.behind(),
      migration: follower.migration,
      ignored,
      reason: shared.reason,
      lost,
      server: uplink.facts(leaderSeen && !doubted),
      now: clock.now(),
    };
  }

  /** One event for all commits of a microtask: a machine event costs more than a commit. */
  let scheduled = false;
  function schedule(): void {
    if (scheduled) return;
    scheduled = true;
    queueMicrotask(() => {
      scheduled = false;
      root.getSnapshot().children.commit?.send({ type: "batch.ready" });
    });
  }

  function expectOpen(): void {
    if (replica.materializing())
      throw new SyncError(
        "reentrant",
        "Expected materializers to be pure, got a commit inside one",
      );
    if (stopping !== undefined || ended)
      throw new SyncError("stopped", "Expected a running engine, got one that was stopped");
    if (pipeline.isOpen()) return;
    const { value } = root.getSnapshot();
    if (value === "outdated") throw unusable("outdated");
    if (value === "failed") throw unusable("load_failed");
    throw new SyncError("not_ready", "Expected the stored data to be loaded: await sync.ready");
  }

  function commit(input: unknown, ids?: readonly string[]): Receipt {
    expectOpen();
    const unit = toUnit(definition, input, createEventId, clock.now(), ids);
    uplink.check(unit);
    const { entry, replaced, noops, changes } = replica.commit(unit);
    const { receipt, unwritten } = pipeline.add(entry, replaced);
    if (unwritten !== undefined) replica.forget(unwritten);
    schedule();
    publisher.publish(changes);
    if (changes === undefined) touch();
    for (const it of noops) reporter.emit({ type: "noop", ...it });
    return receipt;
  }

  const collections = createCollections({
    definition,
    follower,
    pipeline,
    commit,
    whenOpen() {
      // Whoever is told of entries while they load deals with them when they are loaded.
      if (root.getSnapshot().value === "loading") return readiness.promise;
      expectOpen();
      return undefined;
    },
    isEnded: () => ended,
    flush: schedule,
    hurry: () => root.getSnapshot().children.commit?.send({ type: "page.returned" }),
    quarantined: (entries) => reporter.emit({ type: "quarantined", entries }),
    withdrawn: (entries) => follower.remove(entries),
  });

  function onLifecycle(event: LifecycleEvent): void {
    if (leaving.has(event)) {
      send({ type: "page.leaving" });
      // The page may be gone before what is in flight can be told: the others look for it.
      if (pipeline.hasInFlight()) tabs.announce(follower.position() + pipeline.inFlight().length);
      tabs.close();
      shared.connection?.letGo();
    } else if (returning.has(event)) {
      tabs.open();
      send({ type: "page.returned" });
      // What was said meanwhile was not heard.
      if (follower.incarnation !== "") follower.look();
    }
    if (event === "hidden") send({ type: "look" });
    if (!waking.has(event)) return;
    send({ type: "wake" });
    // Who leads may not have been told.
    if (settings.server !== undefined && shared.term === undefined) tabs.poke();
  }

  const release: (() => void)[] = [];

  function start(): void {
    if (environment.storage === null) return;
    release.push(lifecycle.subscribe(onLifecycle), () => tabs.close());
    root.subscribe({ next: touch, error: () => finish(), complete: () => finish() });
    tabs.open();
    root.start();
    for (const child of Object.values<AnyActorRef | undefined>(root.getSnapshot().children)) {
      const subscription = child?.subscribe({ next: touch, error: () => undefined });
      release.push(() => subscription?.unsubscribe());
    }
    release.push(uplink.start());
  }

  /** The root has ended: everything is released, what is not durable is not promised. */
  function finish(): void {
    ended = true;
    for (const it of release.splice(0)) it();
    pipeline.setOpen(false);
    pipeline.stop();
    readiness.reject(
      new SyncError("stopped", "Expected the engine to run until the data was loaded, got stop()"),
    );
    collections.changed();
    reporter.complete();
    publisher.clear();
  }

  function stop(): Promise<void> {
    if (stopping !== undefined) return stopping;
    // `start` waits for the same turn, and was there first.
    stopping = turn.ready.then(
      () =>
        new Promise<void>((resolve) => {
          if (environment.storage === null) finish();
          if (environment.storage === null || root.getSnapshot().status !== "active") {
            resolve();
            return;
          }
          root.subscribe({ complete: resolve, error: () => resolve() });
          send({ type: "stop" });
        }),
    );
    turn.leave(stopping);
    return stopping;
  }

  const identity = createIdentity<SyncActor<T, E>>({
    name,
    clock,
    turn,
    outbox: collections.outbox,
    // What is in memory alone is decided for nobody, and in no outbox.
    pending: () => Math.max(collections.outbox.size, pipeline.undecidedEvents()),
    isRead: () => environment.storage === null || follower.incarnation !== "",
    isStopped: () => stopping !== undefined || ended,
    stop,
    // Not what took its place: the data is there also when it could not be opened.
    deleteData: () => (environment.storage ?? shared.storage).destroy(name),
    check(user) {
      const next = readSettings(configFor(plain, user));
      if (next.name !== name) expectFree(environment, next.name);
    },
    create: (user) => createSyncActor(configFor(config, user)),
  });

  async function persist(): Promise<boolean> {
    try {
      return (await shared.storage.persist?.()) === true;
    } catch {
      // Missing outside of a secure context and in old browsers: nothing is promised.
      return false;
    }
  }

  turn.ready.then(start, start);

  return {
    id: name,
    sessionId: root.sessionId,
    system: root.system,
    getSnapshot: reporter.getSnapshot,
    subscribe: reporter.subscribe,
    on: reporter.on,
    ready: readiness.promise,
    commit: (input) => commit(input),
    tables,
    get status() {
      return reporter.status;
    },
    outbox: collections.outbox,
    rejected: collections.rejected,
    quarantine: collections.quarantine,
    export: () => exportAll(shared, collections),
    persist,
    stop,
    ...identity,
  };
}
