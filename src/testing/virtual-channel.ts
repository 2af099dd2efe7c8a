/**
 * BroadcastChannel in memory, for several tabs: messages are cloned, arrive later and in order, and never at the channel
 * that sent them. They can be lost, delayed, doubled or forged on purpose.
 */
import { type ChannelPort } from "../services/ports.ts";
import { type Mailbox, type Schedule, type VirtualTab, createMailbox } from "./virtual-tab.ts";

/** The channels of one tab. A frozen tab gets its messages when it thaws. */
export interface VirtualChannelTab extends ChannelPort, VirtualTab {}

/** One message on its way to one channel. `from` is null when `send` forged it. */
export interface Delivery {
  readonly name: string;
  readonly message: unknown;
  readonly from: VirtualChannelTab | null;
  readonly to: VirtualChannelTab;
}

export interface VirtualChannels {
  /** `own`: when things happen to this tab, if not by the schedule of all. */
  openTab(own?: Schedule): VirtualChannelTab;
  /** From now on loses every delivery for which this returns true, until the returned function is called. */
  drop(predicate: (delivery: Delivery) => boolean): () => void;
  /** From now on holds back every delivery for which this returns true; the returned function ends it, and lets all go on. */
  delay(predicate: (delivery: Delivery) => boolean): () => void;
  /** From now on hands over twice what this returns true for, until the returned function is called. */
  duplicate(predicate: (delivery: Delivery) => boolean): () => void;
  /** Sends anything that can be cloned to every channel of this name, as a stranger on the same origin could. */
  send(name: string, raw: unknown): void;
  /** Lets a message arrive that cannot be decoded. */
  sendBroken(name: string): void;
}

interface Endpoint {
  readonly name: string;
  readonly tab: VirtualChannelTab;
  readonly mailbox: Mailbox;
  readonly receive: (message: unknown) => void;
  readonly broken: () => void;
}

/** Creates a bus without tabs. `schedule` decides when each delivery happens; default: a microtask. */
export const createVirtualChannels = ({
  schedule = queueMicrotask,
}: { readonly schedule?: Schedule } = {}): VirtualChannels => {
  const endpoints = new Set<Endpoint>();
  type Filter = (delivery: Delivery) => boolean;
  const [dropped, doubled] = [new Set<Filter>(), new Set<Filter>()];
  const delays = new Set<{ readonly holds: Filter; readonly held: (() => void)[] }>();

  const hand = (to: Endpoint, task: () => void): void =>
    to.mailbox.hand(() => {
      if (endpoints.has(to)) task();
    }, "message");
  const filtering = (filters: Set<Filter>, predicate: Filter): (() => void) => {
    // One of its own: the same predicate may be given twice.
    const filter: Filter = (delivery) => predicate(delivery);
    filters.add(filter);
    return () => {
      filters.delete(filter);
    };
  };
  const broadcast = (name: string, original: unknown, sender: Endpoint | null): void => {
    for (const to of endpoints) {
      if (to === sender || to.name !== name) continue;
      const message: unknown = structuredClone(original);
      const delivery: Delivery = { name, message, from: sender?.tab ?? null, to: to.tab };
      if ([...dropped].some((loses) => loses(delivery))) continue;
      const times = [...doubled].some((doubles) => doubles(delivery)) ? 2 : 1;
      const delay = [...delays].find(({ holds }) => holds(delivery));
      for (let time = 0; time < times; time += 1) {
        const deliver = (): void =>
          hand(to, () => to.receive(time === 0 ? message : structuredClone(message)));
        if (delay === undefined) deliver();
        else delay.held.push(deliver);
      }
    }
  };

  return {
    openTab(own = schedule) {
      const mailbox = createMailbox(own);
      const tab: VirtualChannelTab = {
        open(name, receive, broken) {
          const endpoint: Endpoint = { name, tab, mailbox, receive, broken };
          if (!mailbox.dead()) endpoints.add(endpoint);
          return {
            post(message) {
              if (!endpoints.has(endpoint)) return;
              let sent: unknown;
              try {
                sent = structuredClone(message);
              } catch {
                // Not cloneable: lost, as with the real one.
                return;
              }
              broadcast(name, sent, endpoint);
            },
            close() {
              endpoints.delete(endpoint);
            },
          };
        },
        freeze: mailbox.freeze,
        thaw: mailbox.thaw,
        die() {
          mailbox.die();
          for (const endpoint of endpoints) if (endpoint.tab === tab) endpoints.delete(endpoint);
        },
      };
      return tab;
    },
    drop: (predicate) => filtering(dropped, predicate),
    duplicate: (predicate) => filtering(doubled, predicate),
    delay(predicate) {
      const delay = {
        holds: (delivery: Delivery) => predicate(delivery),
        held: [] as (() => void)[],
      };
      delays.add(delay);
      return () => {
        delays.delete(delay);
        for (const deliver of delay.held.splice(0)) deliver();
      };
    },
    send: (name, raw) => broadcast(name, raw, null),
    sendBroken(name) {
      for (const to of endpoints) if (to.name === name) hand(to, to.broken);
    },
  };
};
