/**
 * The chain hash: each entry's hash covers the ids of all entries before it, so a log that took another course (a server
 * restored from a backup that went on) has another hash at the same position.
 *
 * Why by hand: `crypto.subtle` is asynchronous, and the hash is needed under the space's lock; `node:crypto` is not everywhere
 * that the handler runs (Workers); a library would be one dependency more for the one function that never changes, and whose
 * every result the tests compare with that of `node:crypto` (docs/decisions/0010-hash-by-hand.md).
 */

const primes: number[] = [];
for (let candidate = 2; primes.length < 64; candidate += 1)
  if (primes.every((prime) => candidate % prime !== 0)) primes.push(candidate);

/** The first 32 bits of the fraction of a root, as FIPS 180-4 derives its constants. */
const fraction = (root: number): number => ((root - Math.floor(root)) * 2 ** 32) | 0;
const rounds = Int32Array.from(primes, (prime) => fraction(Math.cbrt(prime)));
const initial = Int32Array.from(primes.slice(0, 8), (prime) => fraction(Math.sqrt(prime)));

const words = new Int32Array(64);
const at = (index: number): number => words[index] as number;
const turn = (word: number, by: number): number => (word >>> by) | (word << (32 - by));

function block(state: Int32Array, view: DataView, offset: number): void {
  for (let index = 0; index < 16; index += 1) words[index] = view.getInt32(offset + index * 4);
  for (let index = 16; index < 64; index += 1) {
    const a = at(index - 15);
    const b = at(index - 2);
    const s0 = turn(a, 7) ^ turn(a, 18) ^ (a >>> 3);
    const s1 = turn(b, 17) ^ turn(b, 19) ^ (b >>> 10);
    words[index] = at(index - 16) + s0 + at(index - 7) + s1;
  }
  let [a, b, c, d, e, f, g, h] = state as unknown as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  for (let index = 0; index < 64; index += 1) {
    const s1 = turn(e, 6) ^ turn(e, 11) ^ turn(e, 25);
    const one = (h + s1 + ((e & f) ^ (~e & g)) + (rounds[index] as number) + at(index)) | 0;
    const s0 = turn(a, 2) ^ turn(a, 13) ^ turn(a, 22);
    const two = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + one) | 0;
    d = c;
    c = b;
    b = a;
    a = (one + two) | 0;
  }
  const sums = [a, b, c, d, e, f, g, h];
  for (let index = 0; index < 8; index += 1)
    state[index] = (state[index] as number) + (sums[index] as number);
}

const utf8 = new TextEncoder();

/** SHA-256 of a text in UTF-8. */
function sha256(text: string): Uint8Array {
  const bytes = utf8.encode(text);
  const padded = new Uint8Array((((bytes.length + 8) >> 6) + 1) << 6);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 8, Math.floor(bytes.length / 2 ** 29));
  view.setUint32(padded.length - 4, (bytes.length << 3) >>> 0);
  const state = initial.slice();
  for (let offset = 0; offset < padded.length; offset += 64) block(state, view, offset);
  const out = new DataView(new ArrayBuffer(32));
  for (let index = 0; index < 8; index += 1) out.setInt32(index * 4, state[index] as number);
  return new Uint8Array(out.buffer);
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** base64url without padding. Not by `btoa`: it would cost more than the hash. */
export function base64url(bytes: Uint8Array): string {
  let text = "";
  let held = 0;
  let bits = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    for (bits += 8; bits >= 6;) {
      bits -= 6;
      text += letters[(held >> bits) & 63];
    }
    held &= 63;
  }
  return bits === 0 ? text : text + letters[(held << (6 - bits)) & 63];
}

/** The first `bytes` of a SHA-256, as base64url. */
export const digest = (text: string, bytes: number): string =>
  base64url(sha256(text).subarray(0, bytes));

/** The hash before the first entry. */
export const firstHash = "0";

/** `h(n) = trunc64(sha256(h(n−1) | id(n)))`. */
export const nextHash = (before: string, id: string): string => digest(`${before}|${id}`, 8);
