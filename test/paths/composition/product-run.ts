/** Goes along a path of the product of tabs: each of its events is done to a page, and what the tabs show is compared. */
import { type Path } from "../../../src/testing/index.ts";
import { rowsOf } from "../../simulate/app.ts";
import { demand } from "../../simulate/demand.ts";
import { comeToRest, expectWhole } from "./oracles.ts";
import {
  type Product,
  type ProductTab,
  type Verb,
  begin,
  eventsOf,
  happen,
  holder,
} from "./product.ts";
import { type Scene, type Tab, createScene } from "./scene.ts";

type Releases = Map<Tab, () => void>;

/** Longer than it takes to relieve a leader that is silent. */
const patience = 20_000;

const stimuli: Readonly<Record<Verb, (scene: Scene, tab: Tab, held: Releases) => unknown>> = {
  commits(scene, tab, held) {
    held.set(tab, scene.probe.hold(tab.page.name));
    scene.commit(tab, `row-${scene.written.length + 1}`);
  },
  stores: (_, tab, held) => held.get(tab)?.(),
  stops({ probe }, { page }) {
    probe.deaf.add(page.name);
    page.freeze();
  },
  async "goes on"({ probe, world }, { page }) {
    page.thaw();
    probe.deaf.delete(page.name);
    // Until it has asked for the lock again.
    await world.pass(1200);
  },
  leaves: (_, { page }) => page.bfcache(),
  returns: (_, { page }) => page.restore(),
  crashes: (_, { page }) => page.kill(),
  waits: ({ world }) => world.pass(patience),
};

/** What a tab shows that runs, by what the product says of it. */
function expectShown(scene: Scene, product: Product, tab: ProductTab): void {
  const { page, sync } = scene.tabs[tab.no] as Tab;
  const leads = holder(product) === tab;
  demand(
    (sync.status.role === "leader") === leads,
    `Expected ${page.name} ${leads ? "" : "not "}to lead, got ${sync.status.role}`,
  );
  const own = scene.written.filter((it) => it.tab.page === page);
  const waits = own.some(({ durable }) => durable === "pending");
  demand(
    waits === tab.writing,
    `Expected ${page.name} ${tab.writing ? "" : "not "}to wait for its disk, got`,
    JSON.stringify(own.map(({ id, durable }) => [id, durable])),
  );
  const rows = rowsOf(sync, 1);
  for (const { id, durable } of scene.written)
    demand(
      durable !== "resolved" || rows.has(`entries/${id}`),
      `Expected ${page.name} to show ${id}, which is durable, got`,
      JSON.stringify([...rows]),
    );
}

export async function runProduct({ steps }: Path, count: number): Promise<void> {
  const scene = createScene({ seed: 3, server: false });
  const { world, tabs } = scene;
  for (let no = 0; no < count; no += 1) {
    await world.run(scene.open().sync.ready);
    if (no === 0) await world.pass(100);
  }
  await world.pass(100);
  const held: Releases = new Map();
  let product = begin(count);
  const expectAll = (): void => {
    for (const tab of product) if (tab.page === "running") expectShown(scene, product, tab);
  };
  expectAll();
  for (const { event } of steps) {
    const what = eventsOf(product).get(event.type);
    const tab = what === undefined ? undefined : tabs[product[what.at]?.no ?? -1];
    if (what === undefined || tab === undefined)
      throw new Error(`Expected something that can happen, got ${event.type}`);
    await stimuli[what.verb](scene, tab, held);
    await world.settle();
    product = happen(product, what);
    expectAll();
  }
  for (const { page } of tabs) {
    page.thaw();
    page.restore();
  }
  for (const release of held.values()) release();
  await comeToRest(scene);
  await expectWhole(scene);
}
