import { describe, expect, it } from "vitest";
import { type Damage } from "../../src/model/admit.ts";
import { placeholder, readmit } from "../../src/model/late.ts";
import { type LogRecord } from "../../src/model/log.ts";

const commit = (n: number): LogRecord => ({ kind: "commit", tab: "a", n, schema: 1, events: [] });
const base = (n: number, settled: number): LogRecord => ({
  kind: "base",
  tab: "b",
  n,
  schema: 1,
  term: 1,
  settled: { position: settled, index: 0 },
  changes: [["todos", "t1", { id: "t1" }, settled]],
  keys: [],
  rejected: [],
});
const meta = (floor: number, settled: number, folded = 0) => ({
  floor,
  settled: { position: settled, index: 0 },
  writers: folded === 0 ? {} : { a: { max: folded, missing: [], at: 0 } },
});
const judge = (
  log: readonly (readonly [number, LogRecord])[],
  about: ReturnType<typeof meta>,
  missed: readonly string[],
) => {
  const damage: Damage[] = [];
  const { log: left, healed } = readmit(log, about, new Set(missed), damage);
  return {
    gone: left.flatMap(([at, record]) => (record === placeholder ? [at] : [])),
    healed,
    damage: damage.map(({ key, raw }) => [key, (raw as LogRecord).n]),
  };
};

describe("a record that was missed, and is found again", () => {
  it("counts where nothing that came after it is decided", () => {
    expect(judge([[2, commit(1)]], meta(1, 1), ["log/2"])).toEqual({
      gone: [],
      healed: ["log/2"],
      damage: [],
    });
  });

  it("G9 is damage where what came after it is decided, by a fold or by a record", () => {
    const late = { gone: [2], healed: [], damage: [["log/2", 1]] };
    expect(judge([[2, commit(1)]], meta(4, 4), ["log/2"])).toEqual(late);
    const log = [[2, commit(1)] as const, [3, base(1, 2)] as const];
    expect(judge(log, meta(1, 1), ["log/2"])).toEqual(late);
  });

  it("G9 is damage where it moves the base, and the base was folded without it", () => {
    expect(judge([[3, base(1, 2)]], meta(4, 4), ["log/3"])).toEqual({
      gone: [3],
      healed: [],
      damage: [["log/3", 1]],
    });
    expect(judge([[5, base(1, 4)]], meta(4, 4), ["log/5"])).toMatchObject({ healed: ["log/5"] });
  });

  it("G7 is nobody's loss where it was stored again meanwhile", () => {
    const again = { gone: [2], healed: ["log/2"], damage: [] };
    expect(judge([[2, commit(1)]], meta(4, 4, 1), ["log/2"])).toEqual(again);
    const log = [[2, commit(1)] as const, [5, commit(1)] as const];
    expect(judge(log, meta(4, 4), ["log/2"])).toEqual(again);
  });

  it("is looked at only where it was missed", () => {
    const log = [[2, commit(1)] as const, [3, base(1, 2)] as const];
    expect(judge(log, meta(1, 1), ["log/7"])).toEqual({ gone: [], healed: [], damage: [] });
  });
});
