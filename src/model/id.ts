const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Makes UUIDs of version 7 (RFC 9562): 48 bits of time in ms, then random bits; later ones of one maker sort later. */
export function createIdMaker(
  now: () => number,
  bytes: (count: number) => Uint8Array,
): () => string {
  let last = 0;
  let counter = 0;
  let pool: Uint8Array = new Uint8Array(0);
  let at = 0;
  return () => {
    // One call to the system's randomness serves many ids: the call costs more than the id.
    if (at + 10 > pool.length) {
      pool = bytes(640);
      at = 0;
    }
    const random = pool.subarray(at, at + 10);
    at += 10;
    const time = Math.floor(now());
    if (time > last) {
      last = time;
      // Half of the range: there is room to count up within one millisecond.
      counter = ((random[0] as number) << 3) | ((random[1] as number) & 7);
    } else {
      counter += 1;
      if (counter > 0xfff) {
        last += 1;
        counter = 0;
      }
    }
    const high = Math.floor(last / 0x10000);
    const low = last % 0x10000;
    const byte = (index: number): string => hex[random[index] as number] as string;
    return (
      `${high.toString(16).padStart(8, "0")}-${low.toString(16).padStart(4, "0")}-` +
      `7${counter.toString(16).padStart(3, "0")}-` +
      `${hex[((random[2] as number) & 0x3f) | 0x80] as string}${byte(3)}-` +
      `${byte(4)}${byte(5)}${byte(6)}${byte(7)}${byte(8)}${byte(9)}`
    );
  };
}

/**
 * A new id: a UUID of version 7, which sorts by the time it was made.
 *
 * @example
 * sync.commit({ name: "todoAdded", payload: { id: createId(), text: "Milk" } });
 */
export const createId: () => string = /* @__PURE__ */ createIdMaker(
  () => Date.now(),
  (count) => crypto.getRandomValues(new Uint8Array(count)),
);
