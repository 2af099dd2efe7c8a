/** One test for each cut of a course. */
import { afterAll, describe, expect, test } from "vitest";
import {
  type Course,
  type Stroke,
  cutsBetweenCalls,
  cutsBetweenTasks,
  isTold,
  record,
  runCut,
} from "./cuts.ts";
import { type PortCall } from "./probe.ts";

const everyStroke = ["killed", "stopped", "cached", "disconnected", "offline"] as const;

/** With a server a run takes three times as long: there `npm test` takes what each course is most about. */
const strokesOf = ({ server, strokes }: Course): readonly Stroke[] =>
  everyStroke.filter(
    (stroke) =>
      (server || stroke !== "offline") &&
      (strokes === undefined || strokes.includes(stroke) || process.env["CUTS"] === "all"),
  );

const portOf = ({ name }: PortCall): string => name.split(".")[0] ?? name;

/** How many calls there are of each port. */
function countByPort(calls: readonly PortCall[]): string {
  const counts = new Map<string, number>();
  for (const call of calls) counts.set(portOf(call), (counts.get(portOf(call)) ?? 0) + 1);
  return Array.from(counts, ([port, count]) => `${port} ${count}`).join(", ");
}

/** Records the course, and makes a test of each way to strike the leader at each place of it. */
export async function cutSuite(course: Course): Promise<void> {
  const recording = await record(course);
  const calls = recording.calls.slice(recording.from);
  const places = cutsBetweenCalls(recording);
  const turns = cutsBetweenTasks(recording);
  const cases = strokesOf(course).map(
    (stroke) => [stroke, isTold(stroke) ? turns : places] as const,
  );

  describe(`G1 G5 G6 G10 G13 a leader that is ${course.name} and is`, { timeout: 30_000 }, () => {
    let refused = 0;
    describe.each(cases)("%s", (stroke, cuts) => {
      const titled = cuts.map((cut) => [cut.title, cut] as const);
      test.each(titled)("%s costs nothing, and another one leads", async (_, cut) => {
        const { written, probe } = await runCut(recording, stroke, cut);
        const { led } = probe;
        // Whoever was there at the end wrote, and was answered.
        expect(written.filter(({ id }) => id.startsWith("last"))).not.toEqual([]);
        if (stroke === "stopped") refused += led.filter(({ tag }) => tag === "fenced").length;
      });
    });
    test("struck by nothing loses nothing", () => {
      expect(recording.wrong).toBeUndefined();
    });
    test("stopped writes again when it goes on, and is refused", () => {
      const isTried = cases.some(([stroke]) => stroke === "stopped");
      expect(refused > 0).toBe(isTried);
    });
    afterAll(() => {
      const cuts = cases.map(([stroke, all]) => `${stroke} ${all.length}`).join(", ");
      console.log(
        `composition, ${course.name}: ${calls.length} port calls (${countByPort(calls)}), ` +
          `${2 * calls.length} places, ${places.length} different ones; ${cuts}; ` +
          `${refused} late writes refused`,
      );
    });
  });
}
