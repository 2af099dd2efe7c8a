import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { base64url, digest, nextHash } from "../../src/server/hash.ts";

test("hashes as SHA-256 does, whatever the length", () => {
  for (let length = 0; length < 200; length += 1) {
    const text = "aé\u{1F600}\u0000".repeat(length).slice(0, length);
    const known = createHash("sha256").update(text).digest();
    expect(digest(text, 32)).toBe(known.toString("base64url"));
  }
});

test("writes base64url as others do", () => {
  for (let length = 0; length < 20; length += 1) {
    const bytes = Uint8Array.from({ length }, (_, at) => (at * 89 + length * 7) % 256);
    expect(base64url(bytes)).toBe(Buffer.from(bytes).toString("base64url"));
  }
});

test("chains entries by the hash before and their id", () => {
  const known = createHash("sha256").update("0|an-event-id").digest().subarray(0, 8);
  expect(nextHash("0", "an-event-id")).toBe(known.toString("base64url"));
});
