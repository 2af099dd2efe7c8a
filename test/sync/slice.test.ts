import { expect, test } from "vitest";
import { add, createSyncWorld, shown } from "./world.ts";

test.each([1, 2, 3])("two devices share a list, seed %i", async (seed) => {
  const { world, openTab } = createSyncWorld({ seed });
  const [phone, laptop] = [world.createDevice(), world.createDevice()];
  const [a, b] = [openTab(phone), openTab(laptop)];
  await world.run(Promise.all([a.sync.ready, b.sync.ready]));
  const receipt = add(a, "1", "Milk");
  add(b, "2", "Bread");
  expect(await world.run(receipt.settled)).toEqual([
    { id: receipt.events[0]?.id, status: "accepted" },
  ]);
  await world.pass(3000);
  expect(shown(a)).toEqual(["1:Milk", "2:Bread"]);
  expect(shown(b)).toEqual(["1:Milk", "2:Bread"]);
  expect(a.sync.status).toMatchObject({ sync: "live", pending: 0, fault: null });
});
