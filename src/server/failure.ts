import { type ErrorCode, type WireError } from "../protocol/index.ts";

/** A request that is answered with an error. */
export class Failure extends Error {
  override readonly name = "Failure";
  readonly code: ErrorCode;
  readonly more: Omit<WireError, "code">;
  /** Other than the code's own. */
  readonly status: number | undefined;
  constructor(code: ErrorCode, more: Omit<WireError, "code"> = {}, status?: number) {
    super(more.message ?? code);
    this.code = code;
    this.more = more;
    this.status = status;
  }
}

/** A hook of the app threw, or took too long: nothing is decided by that. */
export class HookFailure extends Error {
  override readonly name = "HookFailure";
  readonly where: string;
  readonly code: "unavailable" | "timeout";
  /** It has written to the transaction. So many events of the batch can be decided without it. */
  readonly before: number | undefined;
  constructor(where: string, code: "unavailable" | "timeout", cause?: unknown, before?: number) {
    super(`Expected ${where} to return, got ${code === "timeout" ? "no answer" : String(cause)}`, {
      cause,
    });
    this.where = where;
    this.code = code;
    this.before = before;
  }
}
