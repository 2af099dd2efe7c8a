import { type Reporter, type TestModule } from "vitest/node";

/** Ends every run with `N passed, N failed, N skipped`; an error outside of any test counts as a failure. */
// Vitest loads a reporter by path as a class that is the default export.
// oxlint-disable-next-line import/no-default-export
export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const count = { passed: 0, failed: errors.length, skipped: 0, pending: 0 };
    for (const module of modules) {
      const before = count.failed;
      for (const test of module.children.allTests()) count[test.result().state] += 1;
      if (module.state() === "failed" && count.failed === before) count.failed += 1;
    }
    const { passed, failed, skipped, pending } = count;
    console.log(`${passed} passed, ${failed + pending} failed, ${skipped} skipped`);
  }
}
