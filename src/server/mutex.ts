/** One at a time per key, in the order of asking. */
export interface Mutex {
  run<T>(key: string, task: () => Promise<T>): Promise<T>;
}

export function createMutex(): Mutex {
  const tails = new Map<string, Promise<void>>();
  return {
    async run(key, task) {
      const before = tails.get(key);
      let release: (() => void) | undefined;
      const mine = new Promise<void>((resolve) => {
        release = resolve;
      });
      tails.set(key, mine);
      await before;
      try {
        return await task();
      } finally {
        if (tails.get(key) === mine) tails.delete(key);
        release?.();
      }
    },
  };
}
