import { expect, test, vi } from "vitest";
import { type LockPort } from "../../src/services/ports.ts";

/** What every LockPort does. `openPort` gives one more view of the same locks. */
export const lockContract = (openPort: () => LockPort): void => {
  /** A lock of its own for each test, and a diary of everything that its handlers were told. */
  const setUp = (name: string = crypto.randomUUID()) => {
    const ports = [openPort(), openPort()] as const;
    const diary: string[] = [];
    const request = (
      who: string,
      { tab = 0, steal = false }: { tab?: 0 | 1; steal?: boolean } = {},
    ) =>
      ports[tab].request(
        name,
        {
          granted: () => diary.push(`${who} granted`),
          lost: () => diary.push(`${who} lost`),
          failed: (error) => diary.push(`${who} failed: ${(error as DOMException).name}`),
        },
        { steal },
      );
    // An answer comes after the news of everything that happened before the question.
    const settled = async () => {
      await Promise.all(ports.map((port) => port.query(name)));
      return diary;
    };
    const until = (entry: string) =>
      vi.waitFor(() => expect(diary).toContain(entry), { interval: 1 });
    return { name, diary, request, settled, until, query: () => ports[1].query(name) };
  };

  test("grants a free lock, and never inside the request", async () => {
    const { diary, request, until } = setUp();
    request("a");
    expect(diary).toEqual([]);
    await until("a granted");
  });

  test("grants in the order of the requests, each when the one before it released", async () => {
    const { request, settled, until } = setUp();
    const releaseA = request("a");
    const releaseB = request("b", { tab: 1 });
    request("c");
    await until("a granted");
    expect(await settled()).toEqual(["a granted"]);
    releaseA();
    await until("b granted");
    expect(await settled()).toEqual(["a granted", "b granted"]);
    releaseB();
    await until("c granted");
  });

  test("does not grant a request that was released while it waited", async () => {
    const { request, settled, until } = setUp();
    const releaseA = request("a");
    const leave = request("b");
    request("c", { tab: 1 });
    await until("a granted");
    leave();
    releaseA();
    await until("c granted");
    expect(await settled()).toEqual(["a granted", "c granted"]);
  });

  test("does not grant a request that was released at once", async () => {
    const { request, settled, until } = setUp();
    request("a")();
    request("b");
    await until("b granted");
    expect(await settled()).toEqual(["b granted"]);
  });

  test("lets go of a lock that is released inside its grant", async () => {
    const { name, diary, request, settled, until } = setUp();
    const release = openPort().request(name, {
      granted: () => release(),
      lost: () => diary.push("lost"),
      failed: () => diary.push("failed"),
    });
    request("next");
    await until("next granted");
    expect(await settled()).toEqual(["next granted"]);
  });

  test("releases nobody else's lock when it is released twice", async () => {
    const { request, settled, until } = setUp();
    const releaseA = request("a");
    await until("a granted");
    request("b");
    request("c");
    releaseA();
    await until("b granted");
    releaseA();
    expect(await settled()).toEqual(["a granted", "b granted"]);
  });

  test("steals a lock from its holder, who is told once", async () => {
    const { request, settled, until } = setUp();
    request("a");
    await until("a granted");
    request("b", { tab: 1, steal: true });
    await until("b granted");
    await until("a lost");
    request("c", { steal: true });
    await until("c granted");
    await until("b lost");
    expect((await settled()).toSorted()).toEqual([
      "a granted",
      "a lost",
      "b granted",
      "b lost",
      "c granted",
    ]);
  });

  test("steals past those who wait, and leaves them waiting", async () => {
    const { request, settled, until } = setUp();
    request("a");
    await until("a granted");
    request("b");
    const release = request("c", { tab: 1, steal: true });
    await until("c granted");
    await until("a lost");
    expect(await settled()).not.toContain("b granted");
    release();
    await until("b granted");
  });

  test("steals a lock that nobody holds", async () => {
    const { request, settled, until } = setUp();
    request("a", { steal: true });
    await until("a granted");
    expect(await settled()).toEqual(["a granted"]);
  });

  test("frees a lock whose thief released before it was told", async () => {
    const { request, settled, until } = setUp();
    request("a");
    await until("a granted");
    request("b", { steal: true })();
    request("c");
    await until("a lost");
    await until("c granted");
    expect(await settled()).not.toContain("b granted");
  });

  test("leaves the lock to its thief when the old holder releases", async () => {
    const { request, settled, until } = setUp();
    const release = request("a");
    await until("a granted");
    request("b", { tab: 1, steal: true });
    request("c");
    await until("a lost");
    release();
    await until("b granted");
    expect(await settled()).not.toContain("c granted");
  });

  test("tells nothing after a release, not even a theft", async () => {
    const { request, settled, until } = setUp();
    const release = request("a");
    await until("a granted");
    request("b", { tab: 1, steal: true });
    release();
    await until("b granted");
    expect(await settled()).toEqual(["a granted", "b granted"]);
  });

  test("tells once that a name is refused", async () => {
    const { request, settled, until } = setUp(`-${crypto.randomUUID()}`);
    const release = request("a");
    await until("a failed: NotSupportedError");
    release();
    expect(await settled()).toEqual(["a failed: NotSupportedError"]);
  });

  test("does not tell that a name is refused to one who left", async () => {
    const { diary, request, until } = setUp(`-${crypto.randomUUID()}`);
    request("a")();
    request("b");
    await until("b failed: NotSupportedError");
    expect(diary).toEqual(["b failed: NotSupportedError"]);
  });

  test("keeps locks of different names apart", async () => {
    const [one, other] = [setUp(), setUp()];
    one.request("a");
    other.request("b");
    await one.until("a granted");
    await other.until("b granted");
    expect(await one.query()).toEqual({ held: true, waiting: 0 });
  });

  test("counts who holds and who waits", async () => {
    const { request, settled, until, query } = setUp();
    expect(await query()).toEqual({ held: false, waiting: 0 });
    const releaseA = request("a");
    const leave = request("b");
    request("c", { tab: 1 });
    await until("a granted");
    expect(await query()).toEqual({ held: true, waiting: 2 });
    leave();
    await vi.waitFor(async () => expect(await query()).toEqual({ held: true, waiting: 1 }));
    releaseA();
    await until("c granted");
    expect(await query()).toEqual({ held: true, waiting: 0 });
    expect(await settled()).toEqual(["a granted", "c granted"]);
  });
};
