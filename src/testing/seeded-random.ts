/**
 * Randomness that is the same in every run of one seed: xoshiro128** (Blackman and Vigna, https://prng.di.unimi.it),
 * seeded by SplitMix32. Its 128 bits of state keep the streams of different seeds apart.
 */
import { type RandomPort } from "../services/ports.ts";

const rotate = (x: number, by: number): number => (x << by) | (x >>> (32 - by));

const createSplitMix = (seed: number): (() => number) => {
  let state = seed;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return z ^ (z >>> 15);
  };
};

/** Creates the stream of a seed. Any number is a seed of its own, fractions too. */
export const createSeededRandom = (seed: number): RandomPort => {
  const double = new DataView(new ArrayBuffer(8));
  double.setFloat64(0, seed);
  const mix = createSplitMix(createSplitMix(double.getInt32(0))() ^ double.getInt32(4));
  let [a, b, c, d] = [mix(), mix(), mix(), mix()];

  const word = (): number => {
    const result = Math.imul(rotate(Math.imul(b, 5), 7), 9);
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = rotate(d, 11);
    return result;
  };
  return {
    bytes(count) {
      const words = new DataView(new ArrayBuffer(Math.ceil(count / 4) * 4));
      for (let at = 0; at < count; at += 4) words.setInt32(at, word());
      return new Uint8Array(words.buffer, 0, count).slice();
    },
  };
};
