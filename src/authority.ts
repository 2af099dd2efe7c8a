/** Who decides: how a database whose device decided comes to have a server decide. */
import { type Follower } from "./follower.ts";
import { type BaseRecord, type Place } from "./model/log.ts";
import { type Replica } from "./model/replica.ts";

type Body = Omit<BaseRecord, "tab" | "n" | "schema" | "term">;

/** The base is nowhere in the server's log: it is to be read from its beginning. */
export const nowhere: Place = { cursor: null, pos: 0, epoch: null };

/** A record that moves nothing yet. */
export const unmoved = (replica: Replica): Body => ({
  kind: "base",
  settled: replica.settled(),
  changes: [],
  keys: [],
  rejected: [],
  decided: [],
});

/** Whether the device decides, and has decided nothing: then a server may decide from the first event on. */
export function isUndecided({ replica, index }: Follower): boolean {
  const { position, index: at } = replica.settled();
  return (
    !replica.byServer() &&
    position + at === 0 &&
    index.moved.size === 0 &&
    Object.values(index.manifest()).every((marks) => marks.length === 0)
  );
}

export const turnToServer = (replica: Replica): Body => ({
  ...unmoved(replica),
  authority: "server",
  remote: nowhere,
});
