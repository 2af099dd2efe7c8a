import { expect, it, vi } from "vitest";
import { added, createLab, invited, shown, slid, toggled } from "../support/lab.ts";

async function run() {
  const lab = createLab({ seed: 3 });
  // Without locks nobody leads: the log stays as it was written.
  const tab = await lab.ready({ ports: { locks: null } });
  for (const event of [added("t1"), invited("a@b.c"), [toggled("t1"), slid(1)]]) {
    await lab.pass(1000);
    const receipt = tab.sync.commit(event);
    for (const { at } of receipt.events) expect(at).toBe(lab.clock.now());
    await receipt.durable;
  }
  return { disk: await lab.contents(), rows: shown(tab), exported: tab.sync.export() };
}

it("G14 what is stored of a commit, its time and its id too, comes from the ports alone", async () => {
  expect(await run()).toEqual(await run());
});

/** Who asks now: the place in the stack below this file and the spies. XState takes ids of its own timers from chance. */
const caller = (): string =>
  new Error("stack").stack
    ?.split("\n")
    .slice(1)
    .find((line) => !/injected\.test|vitest|tinyspy/.test(line)) ?? "";

it("G14 the engine asks neither the system's time nor its randomness", async () => {
  const lab = createLab();
  const asked: string[] = [];
  const watch = (system: object, name: string) => {
    const functions = system as Record<string, (...args: readonly unknown[]) => unknown>;
    const real = functions[name]?.bind(system);
    return vi.spyOn(functions, name).mockImplementation((...args) => {
      if (caller().includes("/src/")) asked.push(caller());
      return real?.(...args);
    });
  };
  const spies = [
    watch(Date, "now"),
    watch(Math, "random"),
    watch(crypto, "getRandomValues"),
    watch(crypto, "randomUUID"),
  ];
  try {
    const [a, b] = [await lab.ready(), await lab.ready()];
    await a.sync.commit([added("t1"), slid(1)]).durable;
    await b.sync.commit(toggled("t1")).durable;
    await lab.pass(20_000);
    await a.sync.stop();
    await lab.pass(20_000);
    expect(asked).toEqual([]);
    expect(b.sync.status).toMatchObject({ role: "leader", phase: "ready", pending: 0 });
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
});
