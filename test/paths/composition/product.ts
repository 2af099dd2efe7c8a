/**
 * Several tabs as one machine: what each page is, whether a write of it is under way, and who holds the lock or waits for it.
 * It is a model of what election, handoff and commit make of it together, made by hand from the guarantees and from no machine
 * that ships: at most one tab leads, the queue for the lock decides who is next, a page that leaves lets go, and a leader that was
 * stopped is relieved by a tab that waits.
 *
 * Which tab is which plays no part: tabs are in the order of the lock's queue, and states that differ in nothing else are one.
 */
import { type AnyStateMachine, setup } from "xstate";

export type Verb =
  | "commits"
  | "stores"
  | "stops"
  | "goes on"
  | "leaves"
  | "returns"
  | "crashes"
  | "waits";

export interface ProductTab {
  /** Which one it is. */
  readonly no: number;
  readonly page: "running" | "stopped" | "cached" | "gone";
  /** A commit of it is on its way to the disk. */
  readonly writing: boolean;
  /** Holds the lock, or waits for it. */
  readonly queued: boolean;
}

/** In the order of the queue: the first that is queued holds the lock. */
export type Product = readonly ProductTab[];

export const begin = (count: number): Product =>
  Array.from({ length: count }, (_, no) => ({ no, page: "running", writing: false, queued: true }));

export const holder = (product: Product): ProductTab | undefined =>
  product.find(({ queued }) => queued);

function roleOf(product: Product, tab: ProductTab): string {
  const isHolder = holder(product) === tab;
  if (tab.page === "running") return isHolder ? "leading" : "candidate";
  if (tab.page === "stopped")
    return `stopped${isHolder ? " leader" : tab.queued ? " candidate" : ""}`;
  return tab.page;
}

const labelOf = (product: Product, tab: ProductTab): string =>
  `${roleOf(product, tab)}${tab.writing ? " writing" : ""}`;

const nameOf = (product: Product): string =>
  product.map((tab) => labelOf(product, tab)).join(" | ");

const order = ["running", "stopped", "cached", "gone"];

/** Those without a place in the queue come last, in an order that only depends on what they are. */
const rank = ({ page, writing }: ProductTab): number => order.indexOf(page) * 2 + Number(writing);

function sorted(product: Product): Product {
  const rest = product.filter(({ queued }) => !queued).toSorted((a, b) => rank(a) - rank(b));
  return [...product.filter(({ queued }) => queued), ...rest];
}

/** At the end of the queue. */
const requeue = (product: Product, tab: ProductTab, more: Partial<ProductTab>): Product => {
  const others = product.filter((it) => it !== tab);
  return [...others, { ...tab, queued: true, ...more }];
};

const change = (product: Product, tab: ProductTab, more: Partial<ProductTab>): Product =>
  product.map((it) => (it === tab ? { ...tab, ...more } : it));

/** What becomes of it when this happens to a tab; undefined where that cannot happen, or changes nothing. */
function next(product: Product, tab: ProductTab, verb: Verb): Product | undefined {
  const { page, writing, queued } = tab;
  const runs = page === "running";
  switch (verb) {
    case "commits":
      return runs && !writing ? change(product, tab, { writing: true }) : undefined;
    case "stores":
      return runs && writing ? change(product, tab, { writing: false }) : undefined;
    case "stops":
      return runs ? change(product, tab, { page: "stopped" }) : undefined;
    case "goes on":
      if (page !== "stopped") return undefined;
      return queued
        ? change(product, tab, { page: "running" })
        : requeue(product, tab, { page: "running" });
    case "leaves":
      return runs ? change(product, tab, { page: "cached", queued: false }) : undefined;
    case "returns":
      return page === "cached" ? requeue(product, tab, { page: "running" }) : undefined;
    case "crashes": {
      const isLast = product.every((it) => it === tab || it.page === "gone");
      if (page === "gone" || isLast) return undefined;
      return change(product, tab, { page: "gone", queued: false, writing: false });
    }
    case "waits": {
      // Whoever waits behind a leader that is stopped relieves it. Who does it first, when several wait, is left open.
      const stopped = holder(product);
      const waiting = product.filter((it) => it.queued && it.page === "running");
      if (stopped?.page !== "stopped" || !runs || waiting.length !== 1) return undefined;
      // No write takes that long: it was given up, looked for, and made anew.
      const after = (it: ProductTab): ProductTab => {
        const { no, page: where, queued: waits } = it;
        return { no, page: where, writing: false, queued: waits && it !== stopped };
      };
      return [tab, ...product.filter((it) => it !== tab)].map(after);
    }
    default:
      return undefined;
  }
}

const verbs: readonly Verb[] = [
  "commits",
  "stores",
  "stops",
  "goes on",
  "leaves",
  "returns",
  "crashes",
  "waits",
];

export interface ProductEvent {
  readonly at: number;
  readonly verb: Verb;
}

/** Where the event happens in the product, by its name. */
export function eventsOf(product: Product): ReadonlyMap<string, ProductEvent> {
  const events = new Map<string, ProductEvent>();
  for (const [at, tab] of product.entries())
    for (const verb of verbs) {
      if (next(product, tab, verb) === undefined) continue;
      const label = labelOf(product, tab);
      // Two that are alike are one, but where one is before the other in the queue.
      const same = product.filter((it) => labelOf(product, it) === label);
      if (!tab.queued && same[0] !== tab) continue;
      const place = tab.queued && same.length > 1 ? ` ${same.indexOf(tab) + 1}` : "";
      events.set(`${label}${place} ${verb}`, { at, verb });
    }
  return events;
}

export function happen(product: Product, { at, verb }: ProductEvent): Product {
  const tab = product[at];
  const after = tab === undefined ? undefined : next(product, tab, verb);
  if (after === undefined)
    throw new Error(`Expected a tab ${at} that ${verb}, got ${nameOf(product)}`);
  return sorted(after);
}

/** The machine of all that can become of so many tabs. Each of its transitions has a name of its own. */
export function productMachine(count: number, allowed: readonly Verb[] = verbs): AnyStateMachine {
  const first = begin(count);
  const found = new Map([[nameOf(first), first]]);
  const states: Record<string, { on: Record<string, object> }> = {};
  // Grows while it is gone through.
  for (const [name, product] of found) {
    const on: Record<string, object> = {};
    for (const [type, event] of eventsOf(product)) {
      if (!allowed.includes(event.verb)) continue;
      const after = happen(product, event);
      const target = nameOf(after);
      if (!found.has(target)) found.set(target, after);
      on[type] = { target, meta: { tid: `${name}: ${type}` } };
    }
    states[name] = { on };
  }
  const config = { id: "product", initial: nameOf(first), states };
  return setup({}).createMachine(config as never) as unknown as AnyStateMachine;
}
