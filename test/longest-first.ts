import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Files that take more than 10 s, and do not look it: by their size they would come last, and one core would wait for them. */
const long = [
  "simulate/simulate.test.ts",
  "conformance/conformance.test.ts",
  "composition/server-leading.test.ts",
  "composition/server-handoff.test.ts",
  "composition/alone.test.ts",
  "testing/guide.test.ts",
  "docs.test.ts",
  "tabs/profile-damage.e2e.test.ts",
  "devices/devices.e2e.test.ts",
  "tabs/crash.e2e.test.ts",
];

const isLong = ({ moduleId }: TestSpecification): boolean =>
  long.some((it) => moduleId.endsWith(it));

// Vitest takes a class.
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    // oxlint-disable-next-line unicorn/no-array-sort -- it is not an array that sorts
    const sorted = await super.sort(files);
    return sorted.toSorted((a, b) => Number(isLong(b)) - Number(isLong(a)));
  }
}
