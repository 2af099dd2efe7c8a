/** What fails on a path: in words, and as lines of a test. */

export interface PathFailure {
  /** What must hold and did not, in few words: the title of a test. */
  readonly title: string;
  /** Two failures of one kind are one. */
  readonly kind: string;
  readonly message: string;
  /** Lines of a test, after those of the steps. */
  readonly lines: readonly string[];
}

/** What is thrown to stop a run. Whatever else is thrown is no failure of the app. */
export class Found extends Error {
  readonly failure: PathFailure;
  constructor(failure: PathFailure) {
    super(failure.message);
    this.failure = failure;
  }
}

export const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

/** Without names and numbers. */
export const kindOf = (message: string): string =>
  message
    .replaceAll(/"[^"]*"|\S*\d\S*/g, "")
    .split(/\s+/)
    .slice(0, 8)
    .join(" ");
