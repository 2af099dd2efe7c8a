import { type Page } from "playwright";
import { expect, test, vi } from "vitest";
import { add, isStored, patience, sizeOf, todosOf, useDemo } from "./support/demo.ts";

vi.setConfig({ testTimeout: 90_000 });

const demo = useDemo();
const openTab = (): Promise<Page> => demo.openTab();

const isRole = (tab: Page, role: string): Promise<void> =>
  tab.locator(`[data-testid=role]:text-is("${role}")`).waitFor();

test("shows in one tab what another does, at once, and after a reload", async () => {
  const [a, b] = [await openTab(), await openTab()];
  await add(a, "Milk");
  await expect.poll(todosOf(a), patience).toEqual(["Milk"]);
  await expect.poll(todosOf(b), patience).toEqual(["Milk"]);
  await add(b, "Bread");
  await expect.poll(todosOf(a), patience).toEqual(["Milk", "Bread"]);
  await a.getByTestId("todo-toggle").first().click();
  await expect.poll(todosOf(b), patience).toEqual(["+Milk", "Bread"]);
  await isStored(a);
  await isStored(b);
  await a.reload();
  await expect.poll(todosOf(a), patience).toEqual(["+Milk", "Bread"]);
  await b.getByTestId("todo").first().hover();
  await b.getByTestId("todo-delete").first().click();
  await expect.poll(todosOf(a), patience).toEqual(["Bread"]);
  await expect.poll(todosOf(b), patience).toEqual(["Bread"]);
});

test("hands over when the tab that leads is closed", async () => {
  const a = await openTab();
  await isRole(a, "leader");
  const b = await openTab();
  await isRole(b, "follower");
  await add(b, "Milk");
  await expect.poll(todosOf(a), patience).toEqual(["Milk"]);
  await a.close();
  await isRole(b, "leader");
  await add(b, "Bread");
  await isStored(b);
  await b.reload();
  await expect.poll(todosOf(b), patience).toEqual(["Milk", "Bread"]);
});

test("is used with the keyboard alone", async () => {
  const tab = await openTab();
  const { keyboard } = tab;
  const isFocused = (selector: string): Promise<unknown> =>
    tab.waitForFunction((it) => document.activeElement?.matches(it) === true, selector);
  await isFocused("[data-testid=new-todo]");
  for (const text of ["Milk", "Bread", "Eggs"]) {
    await keyboard.type(text);
    await keyboard.press("Enter");
  }
  await expect.poll(todosOf(tab), patience).toEqual(["Milk", "Bread", "Eggs"]);
  // The filter, then the first todo.
  await keyboard.press("Tab");
  await isFocused("[name=view]");
  await keyboard.press("Tab");
  await keyboard.press("Space");
  await expect.poll(todosOf(tab), patience).toEqual(["+Milk", "Bread", "Eggs"]);
  await keyboard.press("ArrowDown");
  await keyboard.press("Enter");
  await isFocused("[aria-label='Edit todo']");
  await keyboard.type("Rye bread");
  await keyboard.press("Enter");
  await expect.poll(todosOf(tab), patience).toEqual(["+Milk", "Rye bread", "Eggs"]);
  await keyboard.press("F2");
  await isFocused("[aria-label='Edit todo']");
  await keyboard.type("Never mind");
  await keyboard.press("Escape");
  await expect.poll(todosOf(tab), patience).toEqual(["+Milk", "Rye bread", "Eggs"]);
  await keyboard.press("Delete");
  await expect.poll(todosOf(tab), patience).toEqual(["+Milk", "Eggs"]);
  // The neighbour has the focus now; its button is the next stop.
  await keyboard.press("Tab");
  await isFocused("[aria-label='Delete Eggs']");
  await keyboard.press("Enter");
  await expect.poll(todosOf(tab), patience).toEqual(["+Milk"]);
  await isFocused("[data-testid=todo-toggle]");
  await keyboard.press("Shift+Tab");
  await keyboard.press("ArrowRight");
  await expect.poll(todosOf(tab), patience).toEqual([]);
  await keyboard.press("ArrowRight");
  await expect.poll(todosOf(tab), patience).toEqual(["+Milk"]);
});

test("edits on a double click, and saves when the field is left", async () => {
  const tab = await openTab();
  await add(tab, "Milk");
  await add(tab, "Bread");
  await tab.getByText("Milk", { exact: true }).dblclick();
  await tab.getByLabel("Edit todo").fill("Oat milk");
  await tab.getByTestId("new-todo").focus();
  await expect.poll(todosOf(tab), patience).toEqual(["Oat milk", "Bread"]);
});

test("counts, filters and clears", async () => {
  const tab = await openTab();
  for (const text of ["Milk", "Bread", "Eggs"]) await add(tab, text);
  await tab.getByTestId("todo-toggle").nth(1).click();
  await tab.getByText("Active 2").click();
  await expect.poll(todosOf(tab), patience).toEqual(["Milk", "Eggs"]);
  await tab.reload();
  await expect.poll(todosOf(tab), patience).toEqual(["Milk", "Eggs"]);
  await tab.getByText("Done 1").click();
  await expect.poll(todosOf(tab), patience).toEqual(["+Bread"]);
  await tab.getByRole("button", { name: "Clear completed" }).click();
  await expect.poll(todosOf(tab), patience).toEqual([]);
  await tab.getByText("All 2").click();
  await expect.poll(todosOf(tab), patience).toEqual(["Milk", "Eggs"]);
});

test("has one text size in all tabs, also after a reload", async () => {
  const [a, b] = [await openTab(), await openTab()];
  await a.locator("[type=range]:enabled").fill("20");
  await expect.poll(sizeOf(b), patience).toBe("20");
  await isStored(a);
  await b.reload();
  await expect.poll(sizeOf(b), patience).toBe("20");
});
