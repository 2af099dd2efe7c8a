import { type SyncError } from "./errors.ts";

/** A promise with its settlers, whose rejection is never unhandled. */
export function createReadiness() {
  let settle: { resolve(): void; reject(error: SyncError): void } | undefined;
  const promise = new Promise<void>((resolve, reject) => {
    settle = { resolve, reject };
  });
  promise.catch(() => undefined);
  return {
    promise,
    resolve: () => settle?.resolve(),
    reject: (error: SyncError) => settle?.reject(error),
  };
}
