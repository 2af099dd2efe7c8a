/**
 * Cursors: the position, the chain hash there, the epoch of the log, and the space that it is of. By the hash a log is known
 * that is not the one a reader followed: a backup was restored, or another server took over that had not got all.
 */
import {
  type CursorParts,
  type ResetReason,
  decodeCursor,
  encodeCursor,
} from "../protocol/index.ts";
import { type Bugs } from "./bugs.ts";
import { digest } from "./hash.ts";
import { type SpaceHead } from "./storage.ts";

const scopes = new Map<string, string>();

/** A few letters that stand for a space, so that a cursor of another one is noticed. */
function scopeOf(space: string): string {
  let scope = scopes.get(space);
  if (scope === undefined) {
    if (scopes.size >= 10_000) scopes.clear();
    scope = digest(space, 4);
    scopes.set(space, scope);
  }
  return scope;
}

export const cursorAt = (space: string, epoch: string, pos: number, hash: string): string =>
  encodeCursor({ epoch, pos, hash, scope: scopeOf(space) });

/** Reads a cursor; one that another kind of server made leads nowhere in our log. */
export function readCursor(space: string, cursor: string): CursorParts | ResetReason {
  const parts = decodeCursor(cursor);
  if (parts === undefined) return "diverged";
  return parts.scope === scopeOf(space) ? parts : "scope";
}

/** Why a reader has to start anew, who stands where the cursor says; undefined: it may go on. */
export function checkCursor(
  { epoch, pos, hash }: CursorParts,
  space: SpaceHead,
  found: string | undefined,
  bugs: Bugs,
): ResetReason | undefined {
  if (epoch !== space.epoch) return "epoch";
  if (pos > space.head) return "diverged";
  if (pos < space.floor) return "expired";
  return hash === found || bugs.has("no-hash") ? undefined : "diverged";
}
