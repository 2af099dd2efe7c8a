import { describe, expect, test } from "vitest";
import {
  decodeCursor,
  decodeErrorBody,
  encodeCursor,
  endpointsOf,
  errorBody,
  errorCodes,
  isCursor,
  isErrorCode,
  reactionTo,
  statusOf,
} from "../../src/protocol/index.ts";

describe("errors", () => {
  test("are known by their code, whatever the status", () => {
    expect(reactionTo(500, "token_expired")).toBe("refresh");
    expect(reactionTo(409, "client_conflict")).toBe("rotate");
    expect(reactionTo(409, "sequence_gap")).toBe("resend");
    expect(reactionTo(409, "reset_required")).toBe("reset");
  });

  test.each([
    [302, "wait"],
    [400, "stop"],
    [401, "refresh"],
    [403, "deny"],
    [404, "degrade"],
    [408, "wait"],
    [409, "upgrade"],
    [413, "split"],
    [418, "stop"],
    [425, "wait"],
    [426, "upgrade"],
    [429, "wait"],
    [500, "wait"],
    [502, "wait"],
    [599, "wait"],
  ])("of status %i without a code that is known make the client %s", (status, reaction) => {
    expect(reactionTo(status)).toBe(reaction);
    expect(reactionTo(status, "brand_new")).toBe(reaction);
    expect(reactionTo(status, "toString")).toBe(reaction);
  });

  test("have a status and a body that decodes", () => {
    expect(errorCodes).toHaveLength(18);
    for (const code of errorCodes) {
      expect(isErrorCode(code)).toBe(true);
      expect(statusOf(code)).toBeGreaterThanOrEqual(400);
      const body = errorBody(code, { retryAfter: 5 }, "r-1");
      expect(decodeErrorBody(body)).toEqual({ value: body });
    }
  });
});

describe("cursors", () => {
  test("come back as they were made", () => {
    for (const parts of [
      { epoch: "e1", pos: 0, hash: "0" },
      { epoch: "größe", pos: 2 ** 53 - 1, hash: "abcdefghijk", scope: "a/b?c" },
    ]) {
      const cursor = encodeCursor(parts);
      expect(isCursor(cursor)).toBe(true);
      expect(decodeCursor(cursor)).toEqual(parts);
    }
  });

  test.each([
    "",
    "x",
    "garbage!",
    "bnVsbA",
    btoa("[1,2,3]"),
    btoa(`["e",-1,"h"]`),
    btoa(`["e",1]`),
  ])("that are none of ours are not read: %s", (cursor) => {
    expect(decodeCursor(cursor)).toBeUndefined();
  });
});

test("addresses of a space follow from its own", () => {
  const { snapshot, ...fixed } = endpointsOf("https://host/sync/me/");
  expect(fixed).toEqual({
    push: "https://host/sync/me/push",
    pull: "https://host/sync/me/pull",
    live: "https://host/sync/me/live",
    info: "https://host/sync/info",
  });
  expect(snapshot("s/1", "a&b")).toBe("https://host/sync/me/snapshot/s%2F1?page=a%26b");
  expect(endpointsOf("/sync/me").info).toBe("/sync/info");
});
