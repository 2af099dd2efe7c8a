/** Public names of `sssync/conformance`: tests of a server, in any language, over HTTP. */
export { type Effort, type Level, levels } from "./case.ts";
export { cases } from "./cases/index.ts";
export { resultLine, summary, textReport } from "./report.ts";
export {
  type CaseResult,
  type ConformanceOptions,
  type ConformanceReport,
  runConformance,
} from "./run.ts";
