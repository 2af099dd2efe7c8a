/** A second app on the lab's device: its events can fail on replay, and its code can be of two kinds. */
import * as v from "valibot";
import { createSyncActor, defineEvent, update, upsert } from "../../src/index.ts";
import { type Lab, type Tab } from "./lab.ts";

const id = v.string();

/** Opens the shop in place of the todos. `code` stands in every row that its materializers make. */
export function openShop(
  lab: Lab,
  { code = "old", leads = true }: { readonly code?: string; readonly leads?: boolean } = {},
) {
  const page: Tab = lab.openTab({ name: "elsewhere" });
  const environment = leads ? page.environment : { ...page.environment, locks: null };
  const sync = createSyncActor({
    name: "todos",
    tables: {
      goods: v.object({ id, count: v.number(), code: v.string() }),
      notes: v.object({ id, text: v.optional(v.string()) }),
    },
    events: {
      stocked: defineEvent({ schema: v.object({ id, count: v.pipe(v.number(), v.maxValue(10)) }) }),
      sold: defineEvent({ schema: v.object({ id }) }),
      noted: defineEvent({ schema: v.object({ id, text: v.string() }) }),
    },
    materializers: {
      stocked: ({ id: name, count }) => [upsert("goods", { id: name, count, code })],
      sold({ id: name }, { tables }) {
        const { count } = tables.goods.get(name) ?? { count: 0 };
        if (count === 0) throw new Error("sold out");
        return [update("goods", { id: name, count: count - 1 })];
      },
      noted: ({ id: name, text }) => [update("notes", { id: name, text })],
    },
    environment,
  });
  return { ...page, sync };
}

export const stocked = (name: string, count: number) =>
  ({ name: "stocked", payload: { id: name, count } }) as const;
export const sold = (name: string) => ({ name: "sold", payload: { id: name } }) as const;
export const noted = (name: string, text: string) =>
  ({ name: "noted", payload: { id: name, text } }) as const;
