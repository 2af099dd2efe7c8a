/** Time of a device in memory that passes when the test says so. */
import { type VirtualClock } from "../../src/testing/virtual-clock.ts";
import { type FaultyStorage } from "./faulty-storage.ts";

/** `nextTask`: lets a turn of the real event loop go by. `disks`: what is under way on them is waited for. */
export function createTime(
  clock: VirtualClock,
  disks: readonly Pick<FaultyStorage, "busy">[],
  nextTask: () => Promise<void>,
) {
  /** Lets happen what happens without time. */
  async function settle(): Promise<void> {
    for (let quiet = 0; quiet < 6; quiet += 1) {
      await nextTask();
      if (disks.some((disk) => disk.busy() > 0)) quiet = 0;
    }
  }

  /** Lets time pass, timer by timer. */
  async function pass(ms: number): Promise<void> {
    const end = clock.now() + ms;
    for (;;) {
      await settle();
      const next = clock.next();
      if (next === null || next > end) break;
      clock.advance(next - clock.now());
    }
    clock.advance(end - clock.now());
    await settle();
  }

  return { settle, pass };
}
