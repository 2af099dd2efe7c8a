/** Tabs of one device that share what they write, with a server or without one, and what a person does in them. */
import { createSyncServer, memory } from "../../../src/server/index.ts";
import { type Receipt } from "../../../src/pipeline.ts";
import { type Device, type DevicePage, createWorld } from "../../../src/testing/index.ts";
import { nextTask } from "../../../src/testing/scheduler.ts";
import { type Access, type Sync, appOf, openApp } from "../../simulate/app.ts";
import { createProbe } from "./probe.ts";

/** One commit of one entry, and what its receipt said so far. */
export interface Written {
  readonly id: string;
  readonly tab: Tab;
  durable: "pending" | "resolved" | "rejected";
  settled: "pending" | "rejected" | readonly string[];
}

export interface Tab {
  readonly device: Device;
  readonly page: DevicePage;
  readonly sync: Sync;
}

const access: Access = { url: "/sync/me", auth: () => "token", live: true };

export function createScene({ server: withServer, seed }: { server: boolean; seed: number }) {
  const world = createWorld({ seed });
  const device = world.createDevice();
  const probe = createProbe();
  const storage = memory();
  const tabs: Tab[] = [];
  const written: Written[] = [];
  const troubles: unknown[] = [];
  if (withServer) {
    const { events, tables, materializers } = appOf(1);
    const server = createSyncServer({
      storage,
      events,
      tables,
      materializers,
      authenticate: () => ({ id: "anna" }),
      authorizeSpace: () => true,
      clock: world.clock,
      random: world.random,
      onError: (error: unknown) => void troubles.push(error),
    });
    world.network.serve(server.fetch);
  }
  world.watch(() => probe.tick());

  async function follow(entry: Written, receipt: Receipt): Promise<void> {
    try {
      await receipt.durable;
      entry.durable = "resolved";
      entry.settled = (await receipt.settled).map(({ status }) => status);
    } catch {
      if (entry.durable === "pending") entry.durable = "rejected";
      entry.settled = "rejected";
    }
  }

  return {
    world,
    device,
    probe,
    storage,
    tabs,
    written,
    troubles,
    withServer,
    /** Opens a page: on this device, if not on another one. */
    open(on = device): Tab {
      const page = on.openPage();
      const sync = openApp(1, probe.wrap(page), withServer ? access : undefined);
      const tab = { device: on, page, sync };
      tabs.push(tab);
      return tab;
    },
    /** Writes in a tab, if it can be written in. */
    commit(tab: Tab, id: string): void {
      if (tab.page.state !== "running" || tab.sync.status.phase === "loading") return;
      const receipt = tab.sync.commit({ name: "added", payload: { id } });
      const entry: Written = { id, tab, durable: "pending", settled: "pending" };
      written.push(entry);
      void follow(entry, receipt);
    },
    /** What a person does, with all that follows from it in the same turn of the event loop. */
    async act(what: () => void): Promise<void> {
      what();
      await nextTask();
      probe.tick();
    },
  };
}

export type Scene = ReturnType<typeof createScene>;
