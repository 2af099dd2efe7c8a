import { describe, expect, test } from "vitest";
import { type Asked, type Verdict, verdictOn } from "../../src/model/verdict.ts";
import { errorCodes, statusOf } from "../../src/protocol/index.ts";

type Code = (typeof errorCodes)[number];
type Row = Readonly<Record<Asked["what"], Verdict>>;

const all = (verdict: Verdict): Row => ({ push: verdict, pull: verdict, snapshot: verdict });

/** What becomes of each error, for whatever was asked: of a push of several commits. A missing cell does not compile. */
const table: Readonly<Record<Code, Row>> = {
  bad_request: { push: "single", pull: "incompatible", snapshot: "incompatible" },
  unauthorized: all("refresh"),
  token_expired: all("refresh"),
  forbidden: all("forbidden"),
  not_found: { push: "forbidden", pull: "forbidden", snapshot: "again" },
  method_not_allowed: { push: "incompatible", pull: "incompatible", snapshot: "again" },
  not_acceptable: all("incompatible"),
  client_conflict: { push: "record", pull: "wait", snapshot: "wait" },
  sequence_gap: { push: "record", pull: "wait", snapshot: "wait" },
  reset_required: { push: "reset", pull: "reset", snapshot: "again" },
  schema_unsupported: all("incompatible"),
  too_large: { push: "split", pull: "wait", snapshot: "wait" },
  unsupported_media_type: all("incompatible"),
  protocol_unsupported: all("incompatible"),
  rate_limited: all("wait"),
  internal: all("wait"),
  unavailable: all("wait"),
  timeout: all("wait"),
};

const asked = (over: Partial<Asked> = {}): Asked => ({
  what: "push",
  single: false,
  renewed: false,
  schema: 1,
  doubted: false,
  ...over,
});
const refused = (code: string, known = true, more: object = {}) => {
  const status = statusOf(code as Code);
  return { tag: "refused", status, known, error: { code, ...more } } as const;
};
const whats: readonly Asked["what"][] = ["push", "pull", "snapshot"];

describe("what follows from an answer", () => {
  test.each(errorCodes.flatMap((code) => whats.map((what) => [code, what] as const)))(
    "%s to a %s",
    (code, what) => {
      expect(verdictOn(refused(code), asked({ what }))).toBe(table[code][what]);
    },
  );

  test("of a status without a code nothing follows that costs an event, or stops for good", () => {
    for (const code of errorCodes)
      for (const what of whats)
        for (const single of [true, false])
          expect(verdictOn(refused(code, false), asked({ what, single }))).toMatch(
            /^(wait|refresh|forbidden|split|again)$/,
          );
  });

  test("one commit alone is refused, but not the second one in a row that is called bad", () => {
    expect(verdictOn(refused("too_large"), asked({ single: true }))).toBe("tooLarge");
    expect(verdictOn(refused("bad_request"), asked({ single: true }))).toBe("bad");
    expect(verdictOn(refused("bad_request"), asked({ single: true, doubted: true }))).toBe(
      "incompatible",
    );
  });

  test("a token that was asked for after a refusal is not asked for again", () => {
    expect(verdictOn(refused("token_expired"), asked({ renewed: true }))).toBe("unauthorized");
  });

  test("a server that is older than the app will know it soon", () => {
    const supported = { min: 1, max: 4 };
    const answer = refused("schema_unsupported", true, { supported });
    expect(verdictOn(answer, asked({ schema: 5 }))).toBe("wait");
    expect(verdictOn(answer, asked({ schema: 0 }))).toBe("incompatible");
  });

  test("no answer is one to wait for, and one that is not understood is not", () => {
    expect(verdictOn({ tag: "ok", value: null }, asked())).toBe("taken");
    expect(verdictOn({ tag: "offline", reason: "" }, asked())).toBe("lost");
    expect(verdictOn({ tag: "timeout" }, asked())).toBe("wait");
    expect(verdictOn({ tag: "invalid", reason: "" }, asked())).toBe("incompatible");
    const strange = {
      tag: "refused",
      status: 409,
      known: true,
      error: { code: "riddle" },
    } as const;
    expect(verdictOn(strange, asked())).toBe("incompatible");
  });
});
