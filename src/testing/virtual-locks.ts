/**
 * Web Locks in memory, for several tabs. As in the specification: one queue per name, first come first served; grants
 * arrive later, never inside `request`; `steal` takes the lock from its holder and goes past the queue.
 */
import { type LockHandlers, type LockPort } from "../services/ports.ts";
import { type Mailbox, type Schedule, type VirtualTab, createMailbox } from "./virtual-tab.ts";

/** The locks as one tab sees them. A frozen tab may be granted a lock, and learns of it, or of a loss, when it thaws. */
export interface VirtualLockTab extends LockPort, VirtualTab {}

export interface VirtualLocks extends LockPort {
  /** Opens another tab, with a schedule of its `own` if it shall have one. The methods beside this one are those of a tab that never freezes or dies. */
  openTab(own?: Schedule): VirtualLockTab;
  /** A stranger takes the lock, and keeps it until the returned function is called. */
  steal(name: string): () => void;
}

interface Request {
  readonly name: string;
  readonly handlers: LockHandlers;
  readonly mailbox: Mailbox;
  over: boolean;
}

const ignore: LockHandlers = { granted() {}, lost() {}, failed() {} };

/** Creates locks that no tab holds yet. `schedule` decides when a tab learns of what happened; default: a microtask. */
export const createVirtualLocks = ({
  schedule = queueMicrotask,
}: { readonly schedule?: Schedule } = {}): VirtualLocks => {
  const holders = new Map<string, Request>();
  const queues = new Map<string, readonly Request[]>();

  const tell = (request: Request, fn: () => void): void =>
    request.mailbox.hand(() => {
      if (!request.over) fn();
    }, "lock");
  const waiting = (name: string): readonly Request[] => queues.get(name) ?? [];
  const grantNext = (name: string): void => {
    const [next, ...rest] = waiting(name);
    if (next === undefined || holders.has(name)) return;
    queues.set(name, rest);
    holders.set(name, next);
    tell(next, () => next.handlers.granted());
  };
  const takeAway = (name: string): void => {
    const holder = holders.get(name);
    if (holder === undefined) return;
    holders.delete(name);
    tell(holder, () => holder.handlers.lost());
  };
  const release = (request: Request): void => {
    const { name } = request;
    request.over = true;
    if (holders.get(name) === request) holders.delete(name);
    else
      queues.set(
        name,
        waiting(name).filter((other) => other !== request),
      );
    grantNext(name);
  };

  const openTab = (own: Schedule = schedule): VirtualLockTab => {
    const mailbox = createMailbox(own);
    return {
      request(name, handlers, options) {
        const request: Request = { name, handlers, mailbox, over: false };
        if (mailbox.dead()) return () => {};
        if (name.startsWith("-")) {
          const error = new DOMException("Names cannot start with '-'.", "NotSupportedError");
          tell(request, () => {
            request.over = true;
            handlers.failed(error);
          });
          return () => {
            request.over = true;
          };
        }
        if (options?.steal === true) {
          takeAway(name);
          queues.set(name, [request, ...waiting(name)]);
        } else {
          queues.set(name, [...waiting(name), request]);
        }
        grantNext(name);
        return () => release(request);
      },
      // In a tab that is dead the promise stays pending, as everything does.
      query: (name) =>
        new Promise((resolve) => {
          const answer = { held: holders.has(name), waiting: waiting(name).length };
          mailbox.hand(() => resolve(answer), "locks answered");
        }),
      freeze: mailbox.freeze,
      thaw: mailbox.thaw,
      die() {
        mailbox.die();
        const requests = [...holders.values(), ...[...queues.values()].flat()];
        for (const request of requests) if (request.mailbox === mailbox) release(request);
      },
    };
  };

  const immortal = openTab();
  return {
    request: (name, handlers, options) => immortal.request(name, handlers, options),
    query: (name) => immortal.query(name),
    openTab,
    steal: (name) => openTab().request(name, ignore, { steal: true }),
  };
};
