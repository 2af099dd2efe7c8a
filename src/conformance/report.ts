/** Reports for people. */
import { type CaseResult, type ConformanceReport } from "./run.ts";

const marks = { passed: "ok  ", failed: "FAIL", skipped: "skip" } as const;

/** One line of a result, and the reason below it. */
export function resultLine({ id, title, clause, status, reason, ms }: CaseResult): string {
  const line = `${marks[status]} ${id.padEnd(4)} ${title} (${clause}, ${ms} ms)`;
  return reason === undefined ? line : `${line}\n          ${reason}`;
}

/** What it comes to, in one or two lines. */
export function summary(report: ConformanceReport): string {
  const { level, url, ok, passed, failed, skipped, seed } = report;
  const asFar = skipped === 0 ? "" : " as far as it was tested";
  const verdict = ok ? `conforms to ${level}${asFar}` : `does NOT conform to ${level}`;
  const rest = `${passed} passed, ${failed} failed, ${skipped} skipped, seed ${seed}`;
  const hint =
    skipped === 0 ? "" : "\nWhat was skipped is not proven: each line above says what it needs.";
  return `${url} ${verdict}: ${rest}${hint}`;
}

/** The whole report, failures last, where they are seen. */
export function textReport(report: ConformanceReport): string {
  const order = { passed: 0, skipped: 1, failed: 2 } as const;
  const sorted = report.results.toSorted((a, b) => order[a.status] - order[b.status]);
  return [...sorted.map(resultLine), "", summary(report)].join("\n");
}
