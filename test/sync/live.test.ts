import { describe, expect, test } from "vitest";
import { add, createSyncWorld, shown } from "./world.ts";

async function open(server: object = {}, more: object = {}) {
  const place = createSyncWorld({ server });
  const { world, openTab } = place;
  const requests: string[] = [];
  world.network.serve((request) => {
    requests.push(new URL(request.url).pathname.split("/").at(-1) as string);
    return place.server.fetch(request);
  });
  const device = world.createDevice();
  const tab = openTab(device, more);
  const other = openTab(world.createDevice());
  await world.run(Promise.all([tab.sync.ready, other.sync.ready]));
  await world.pass(3000);
  const count = (name: string): number => requests.filter((it) => it === name).length;
  return { ...place, device, tab, other, count };
}

/** How long it takes until what others do is here, ms. */
async function delayOf({ world, tab, other }: Awaited<ReturnType<typeof open>>, id: string) {
  const receipt = add(other, id);
  await world.run(receipt.settled);
  const from = world.now();
  while (!shown(tab).includes(`${id}:${id}`) && world.now() - from < 120_000) await world.pass(100);
  return world.now() - from;
}

test("what others do is here at once", async () => {
  expect(await delayOf(await open(), "a")).toBeLessThanOrEqual(100);
});

test("nothing is listened to a minute after the last tab was hidden, and all is pulled when one is seen again", async () => {
  const place = await open();
  const { world, tab, device, openTab, server, other } = place;
  const follower = openTab(device);
  await world.run(follower.sync.ready);
  tab.hide();
  await world.pass(120_000);
  // The follower is seen, and says so.
  expect(server.streams).toBe(2);
  follower.hide();
  await world.pass(180_000);
  expect(server.streams).toBe(1);
  add(other, "a");
  await world.pass(5000);
  expect(shown(follower)).toEqual([]);
  follower.show();
  await world.pass(1000);
  expect(shown(follower)).toEqual(["a:a"]);
  expect(server.streams).toBe(2);
});

test("a stream that ends, for whatever reason, is opened again", async () => {
  const place = await open({ limits: { streamMs: 60_000 } });
  const { world, server } = place;
  await world.pass(400_000);
  expect(server.streams).toBe(2);
  world.network.cut();
  await world.pass(5000);
  expect(server.streams).toBe(2);
  expect(await delayOf(place, "a")).toBeLessThanOrEqual(100);
});

test("a stream that is silent is dead, and is opened again", async () => {
  const place = await open();
  const { world, count } = place;
  const before = count("live");
  world.network.mute(true);
  await world.pass(46_900);
  world.network.mute(false);
  await world.pass(2000);
  expect(count("live")).toBeGreaterThan(before);
  expect(await delayOf(place, "a")).toBeLessThanOrEqual(100);
});

const isWaiting = ({ url }: { readonly url: URL }): boolean => url.searchParams.has("wait");

describe("where streams do not get through", () => {
  test("long polls take their place, and after ten minutes streams are tried again", async () => {
    const place = await open();
    const { world, count } = place;
    const end = world.network.always(404, "live");
    world.network.cut();
    await world.pass(5000);
    const before = count("live");
    expect(await delayOf(place, "a")).toBeLessThanOrEqual(100);
    await world.pass(300_000);
    expect(count("live")).toBe(before);
    end();
    await world.pass(310_000);
    expect(count("live")).toBeGreaterThan(before);
    expect(place.tab.sync.status.sync).toBe("live");
  });

  test("and no long polls either, it is asked every ten seconds", async () => {
    const place = await open();
    const { world } = place;
    world.network.always(404, "live");
    world.network.always(404, isWaiting);
    world.network.cut();
    await world.pass(5000);
    const delay = await delayOf(place, "a");
    expect(delay).toBeGreaterThan(200);
    expect(delay).toBeLessThanOrEqual(10_000);
  });
});

test.each([
  ["poll", 10_000],
  [false, 60_000],
] as const)("the app may want no stream: live %s", async (live, most) => {
  const place = await open({}, { live });
  const opened = place.count("live");
  const delay = await delayOf(place, "a");
  expect(delay).toBeLessThanOrEqual(most);
  expect(delay).toBeGreaterThan(200);
  // The other device has one.
  expect(opened).toBe(1);
});

test("nobody asks more than once in five seconds because a page comes and goes", async () => {
  const { world, tab, count } = await open();
  const before = count("pull");
  for (let times = 0; times < 20; times += 1) {
    tab.hide();
    tab.show();
    await world.pass(200);
  }
  expect(count("pull") - before).toBeLessThanOrEqual(2);
});
