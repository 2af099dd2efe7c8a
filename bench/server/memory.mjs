// @ts-check
/** Bytes that this process holds, after garbage collection (`--expose-gc`). */
export function memory() {
  for (let round = 0; round < 3; round += 1) globalThis.gc?.();
  return process.memoryUsage().rss;
}
