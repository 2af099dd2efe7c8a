/** Two browsers with profiles of their own, and the server between them. */
import { expect, test, vi } from "vitest";
import { add, isSent, isStored, patience, todosOf, useDemo } from "./support/demo.ts";

vi.setConfig({ testTimeout: 90_000 });

const demo = useDemo();

test("shares a list between two browsers, goes on without the network, and catches up", async () => {
  const a = await demo.openTab();
  await add(a, "Milk");
  await demo.changeBrowser();
  const b = await demo.openTab();
  await expect.poll(todosOf(b), patience).toEqual(["Milk"]);
  await add(b, "Bread");
  await expect.poll(todosOf(a), patience).toEqual(["Milk", "Bread"]);

  await b.getByTestId("network").click();
  await b.locator("[data-testid=status]:has-text('offline')").waitFor();
  await add(b, "Eggs");
  await b.getByTestId("todo-toggle").first().click();
  await isStored(b);
  await expect.poll(() => b.getByTestId("sync").textContent(), patience).toBe("offline");
  expect(await b.getByTestId("pending").textContent()).toBe("2");
  // A tab that is opened without the network has what the others have.
  const other = await demo.openTab();
  await expect.poll(todosOf(other), patience).toEqual(["+Milk", "Bread", "Eggs"]);
  expect(await other.getByTestId("network").isChecked()).toBe(false);
  await a.getByTestId("todo").first().hover();
  await a.getByTestId("todo-delete").first().click();
  await isSent(a);
  expect(await todosOf(a)()).toEqual(["Bread"]);

  await other.getByTestId("network").click();
  for (const tab of [a, b, other])
    await expect.poll(todosOf(tab), patience).toEqual(["Bread", "Eggs"]);
  // What was marked was gone by then: both tabs say so, and one lets it be.
  await b.locator("[data-testid=refused]:has-text('another device')").waitFor();
  await other.getByTestId("refused-discard").click();
  for (const tab of [b, other]) await tab.getByTestId("rejected").waitFor({ state: "detached" });
  await isSent(b);
  await b.locator("[data-testid=status]:has-text('in step')").waitFor();
});
