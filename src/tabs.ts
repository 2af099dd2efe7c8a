/**
 * The channel to the other tabs of the device: what is sent, and what becomes of what arrives.
 *
 * It is closed on `pagehide`, as a page in the back/forward cache must not hold an open one (the first message would evict it),
 * and on `freeze`: Chromium still delivers messages to a frozen page, whose IndexedDB callbacks do not run. A read that is begun
 * for one would hold its transaction open until the page thaws, and block the writers of all tabs.
 */
import { admit } from "./model/admit.ts";
import { type Definition } from "./model/definition.ts";
import { type LogRecord } from "./model/log.ts";
import { type MessageHead, type ServerNews, decodeMessage } from "./model/messages.ts";
import { encodeRecord, sizeOf } from "./model/packed.ts";
import { type Channel, type ChannelPort } from "./services/ports.ts";

export interface TabsOptions {
  readonly port: ChannelPort | null;
  readonly name: string;
  readonly definition: Definition;
  /** Undefined until the database was read: nothing can be placed before. */
  head(): MessageHead | undefined;
  /** The leader's term, when this tab leads. */
  term(): number | undefined;
  position(): number;
  received(position: number, record: LogRecord): void;
  heard(position: number): void;
  /** Has the disk read. */
  look(): void;
  newer(): void;
  leader(alive: boolean, term: number, server?: ServerNews): void;
  /** What this tab, when it leads, tells of the server. */
  news(): ServerNews | undefined;
  /** Somebody looks at the app in another tab. */
  poked(): void;
  /** Rows that the leader still has to migrate, as it says. */
  left(): number;
  migrating(left: number): void;
  ignored(): void;
}

/** Larger records are not sent: the others read them from the log. */
const mostItems = 1000;

export function createTabs(options: TabsOptions) {
  let channel: Channel | undefined;
  let { port } = options;

  function post(message: object): void {
    const head = options.head();
    if (head !== undefined) channel?.post({ ...head, ...message });
  }

  function beat(): void {
    const term = options.term();
    if (term === undefined) return;
    const left = options.left();
    const rest = left > 0 ? { left } : {};
    const server = options.news();
    const news = server === undefined ? {} : { server };
    post({ kind: "heartbeat", term, position: options.position(), ...rest, ...news });
  }

  function receive(raw: unknown): void {
    const head = options.head();
    const message = decodeMessage(raw);
    if (message === undefined || message.tab === head?.tab) {
      options.ignored();
      return;
    }
    if (head === undefined) {
      // Whose data it is about is not known yet; that there may be more to read is.
      if ("position" in message) options.heard(message.position);
      return;
    }
    if (message.incarnation !== head.incarnation) {
      // The data of one of the two is gone, and the disk says whose.
      options.ignored();
      options.look();
      return;
    }
    if (message.schema > head.schema) {
      options.newer();
      return;
    }
    switch (message.kind) {
      case "changed": {
        if (message.record === undefined) {
          options.heard(message.position);
          return;
        }
        const admitted = admit(options.definition, message.record);
        if (admitted === undefined || admitted.damage.length > 0) {
          // The disk says what is true, and from there damage goes to quarantine.
          options.ignored();
          options.heard(message.position);
        } else options.received(message.position, admitted.record);
        return;
      }
      case "heartbeat":
        // One of older code knows nothing of it.
        if (message.schema === head.schema) options.migrating(message.left ?? 0);
        options.leader(true, message.term, message.server);
        options.heard(message.position);
        return;
      case "poke":
        options.poked();
        beat();
        return;
      case "bye":
        options.leader(false, 0);
    }
  }

  return {
    open(): void {
      channel ??= port?.open(options.name, receive, options.ignored);
    },
    close(): void {
      channel?.close();
      channel = undefined;
    },
    /** This tab's data is its own from now on: it has nothing to say to others. */
    leave(): void {
      this.close();
      port = null;
    },
    /** The log grew. When the record is large, the others read it. */
    changed(position: number, record: LogRecord): void {
      const sent = sizeOf(record) <= mostItems ? { record: encodeRecord(record) } : {};
      // Whoever awaits the commit goes on first: telling others is no part of being durable.
      queueMicrotask(() => post({ kind: "changed", position, ...sent }));
    },
    /** The log may grow up to here: the others read it. Sent at once, as this page may be gone before it knows more. */
    announce: (position: number): void => post({ kind: "changed", position }),
    beat,
    poke: (): void => post({ kind: "poke" }),
    bye(): void {
      const term = options.term();
      if (term !== undefined) post({ kind: "bye", term });
    },
  };
}

export type Tabs = ReturnType<typeof createTabs>;
