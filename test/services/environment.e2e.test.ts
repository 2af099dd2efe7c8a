import { chromium } from "playwright";
import { expect, test } from "vitest";
import { chromiumLaunch } from "../../scripts/chromium.mjs";
import { servePage } from "./serve.ts";

/** Without an origin there is neither storage nor locks; every port must tell so in its own way. */
const sandboxed = `<script type="module">
  import { browserEnvironment } from "/src/services/browser-environment.ts";
  const { storage, locks, channel, lifecycle, clock, random } = browserEnvironment();
  const events = { blocked() {}, closed() {} };
  const told = {
    storage: await storage?.open("name", events).then(() => "open", (error) => error.name),
    locks: await new Promise((resolve) => {
      const failed = (error) => resolve(error.name);
      locks?.request("name", { granted: () => resolve("granted"), lost() {}, failed });
    }),
    channel: (channel?.open("name", () => {}, () => {}).post("hello"), "posted"),
    visible: lifecycle.visible(),
    random: random.bytes(4).length,
    paused: await clock.pause().then(() => true),
  };
  parent.postMessage(told, "*");
</script>`;
const page = `<!doctype html>
<script>
  globalThis.told = new Promise((resolve) => addEventListener("message", (event) => resolve(event.data)));
</script>
<iframe sandbox="allow-scripts" srcdoc="${sandboxed.replaceAll('"', "&quot;")}"></iframe>`;

test("fails in a sandboxed frame by telling so, not by throwing", async () => {
  const server = await servePage(page);
  const browser = await chromium.launch(chromiumLaunch());
  try {
    const tab = await browser.newPage();
    const failed: Error[] = [];
    tab.on("pageerror", (error) => failed.push(error));
    await tab.goto(server.address);
    const told = await tab.evaluate(() => (globalThis as unknown as { told: unknown }).told);
    expect(told).toEqual({
      storage: "StorageFailure",
      locks: "SecurityError",
      channel: "posted",
      visible: true,
      random: 4,
      paused: true,
    });
    expect(failed).toEqual([]);
  } finally {
    await browser.close();
    await server.close();
  }
});
