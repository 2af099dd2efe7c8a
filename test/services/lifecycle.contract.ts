import { afterEach, expect, test } from "vitest";
import { type LifecycleEvent, type LifecyclePort } from "../../src/services/ports.ts";

/** A page, and a way to let something happen to it. */
export interface LifecycleSubject {
  readonly port: LifecyclePort;
  readonly emit: (event: LifecycleEvent) => void;
  /** Puts the page back as it was. */
  readonly restore: () => void;
}

const everyEvent = Object.keys({
  hidden: true,
  visible: true,
  freeze: true,
  resume: true,
  pagehide: true,
  pageshow: true,
  offline: true,
  online: true,
} satisfies Record<LifecycleEvent, true>) as LifecycleEvent[];

/** What every LifecyclePort of a page does. */
export const lifecycleContract = (create: () => LifecycleSubject): void => {
  let current: LifecycleSubject | undefined;
  const setUp = () => {
    current = create();
    return current;
  };
  afterEach(() => current?.restore());

  test("tells each event once, in order", () => {
    const { port, emit } = setUp();
    const told: LifecycleEvent[] = [];
    const stop = port.subscribe((event) => told.push(event));
    for (const event of everyEvent) emit(event);
    stop();
    expect(told).toEqual(everyEvent);
  });

  test("says whether the page is visible, with the event and without a subscriber", () => {
    const { port, emit } = setUp();
    const seen = [port.visible()];
    const stop = port.subscribe(() => seen.push(port.visible()));
    emit("hidden");
    emit("freeze");
    emit("visible");
    stop();
    emit("hidden");
    expect([...seen, port.visible()]).toEqual([true, false, false, true, false]);
  });

  test("says whether there is a network, with the event and without a subscriber", () => {
    const { port, emit } = setUp();
    const seen = [port.online()];
    const stop = port.subscribe(() => seen.push(port.online()));
    emit("offline");
    emit("hidden");
    emit("online");
    stop();
    emit("offline");
    expect([...seen, port.online()]).toEqual([true, false, false, true, false]);
  });

  test("tells nothing after the subscription ended", () => {
    const { port, emit } = setUp();
    const told: string[] = [];
    const stopA = port.subscribe((event) => told.push(`a ${event}`));
    const stopB = port.subscribe((event) => told.push(`b ${event}`));
    emit("freeze");
    stopA();
    stopA();
    emit("resume");
    stopB();
    emit("pagehide");
    expect(told).toEqual(["a freeze", "b freeze", "b resume"]);
  });

  test("tells a listener twice that subscribed twice, and once when one of the two ended", () => {
    const { port, emit } = setUp();
    const told: LifecycleEvent[] = [];
    const listener = (event: LifecycleEvent) => told.push(event);
    const stops = [port.subscribe(listener), port.subscribe(listener)];
    emit("freeze");
    stops[0]?.();
    emit("resume");
    stops[1]?.();
    expect(told).toEqual(["freeze", "freeze", "resume"]);
  });

  test("does not tell a listener that another one ended during the event", () => {
    const { port, emit } = setUp();
    const told: string[] = [];
    const stops = [
      port.subscribe(() => stops[1]?.()),
      port.subscribe(() => told.push("ended")),
      port.subscribe(() => told.push("last")),
    ];
    emit("freeze");
    for (const stop of stops) stop();
    expect(told).toEqual(["last"]);
  });

  test("tells a listener that subscribes during an event of the next event only", () => {
    const { port, emit } = setUp();
    const told: LifecycleEvent[] = [];
    const stops = [port.subscribe(() => stops.push(port.subscribe((event) => told.push(event))))];
    emit("freeze");
    expect(told).toEqual([]);
    stops[0]?.();
    emit("resume");
    for (const stop of stops) stop();
    expect(told).toEqual(["resume"]);
  });

  test("tells those who subscribe after everybody had left", () => {
    const { port, emit } = setUp();
    port.subscribe(expect.unreachable)();
    const told: LifecycleEvent[] = [];
    const stop = port.subscribe((event) => told.push(event));
    emit("pageshow");
    stop();
    expect(told).toEqual(["pageshow"]);
  });
};
