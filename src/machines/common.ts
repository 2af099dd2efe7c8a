import { type AnyActorRef, type AnyEventObject, fromCallback, fromPromise } from "xstate";

/** Whoever supervises a machine: it is told what happened. */
export interface Owned {
  readonly owner: AnyActorRef;
}

/**
 * Tells the owner. Where the owner assigns, send with `sendTo`: an action of ours that sends runs the owner inside of it, where
 * XState takes the owner's own actions for a mistake.
 */
export const tell =
  (event: AnyEventObject) =>
  ({ context }: { context: Owned }): void => {
    context.owner.send(event);
  };

/** A service threw: a bug of ours, after which its machine can do nothing. */
export interface Died {
  readonly type: "service.died";
  readonly reason: string;
}

/** Tells the owner that a service died. */
export const tellDied = ({
  context,
  event,
}: {
  context: Owned;
  event: { readonly type: string };
}): void => {
  const died: Died = { type: "service.died", reason: String((event as { error?: unknown }).error) };
  context.owner.send(died);
};

/** Tells the owner when what failed was the connection. */
export const suspectIfLost = ({
  context,
  event,
}: {
  context: Owned;
  event: { readonly type: string };
}): void => {
  if ("error" in event && failureOf(event.error) === "lost")
    context.owner.send({ type: "storage.suspected" });
};

/** A service that `createSyncActor` provides: one answer. */
export const promised = <Output, Input>() =>
  fromPromise<Output, Input>(() =>
    Promise.reject(new Error("Expected the service to be provided")),
  );

/** A service that `createSyncActor` provides: long-lived, takes commands and reports. */
export const longLived = <Command extends AnyEventObject>() =>
  fromCallback<Command>(() => {
    throw new Error("Expected the service to be provided");
  });

/** What a failed storage operation lets the machines do. The same words as `StorageFailureKind`. */
export type Failure = "aborted" | "quota" | "refused" | "lost" | "newer" | "unavailable";

/** The kind of an error that a storage service rejected with; whatever else happened is as unsure as a lost connection. */
export function failureOf(error: unknown): Failure {
  const kind =
    typeof error === "object" && error !== null ? (error as { kind?: unknown }).kind : undefined;
  return typeof kind === "string" ? (kind as Failure) : "lost";
}

/** Milliseconds to wait before try number `attempt` (0, 1, …). */
export const backoff = (attempt: number, most = 15_000): number =>
  attempt === 0 ? 0 : Math.min(most, 100 * 2 ** attempt);

/** No machine of ours takes more internal steps for one event: a loop is a bug that must not hang the tab. */
export const maxIterations = 1000;
