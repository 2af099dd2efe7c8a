import { afterEach, expect, test, vi } from "vitest";
import { type Channel, type ChannelPort } from "../../src/services/ports.ts";

/** One place where channels are: some ports on one bus, and a way to let a message arrive that cannot be decoded. */
export interface ChannelSubject {
  readonly openPort: () => ChannelPort;
  readonly sendBroken: (name: string) => void;
}

/** What every ChannelPort does. */
export const channelContract = ({ openPort, sendBroken }: ChannelSubject): void => {
  const open: Channel[] = [];
  afterEach(() => {
    for (const channel of open.splice(0)) channel.close();
  });

  /** Opens a channel that keeps what it receives, on a bus of the test's own unless a name is given. */
  const setUp = () => {
    const bus = crypto.randomUUID();
    const join = ({ name = bus, port = openPort() } = {}) => {
      const received: unknown[] = [];
      const channel = port.open(
        name,
        (message) => received.push(message),
        () => received.push("(broken)"),
      );
      open.push(channel);
      const until = (message: unknown) =>
        vi.waitFor(() => expect(received).toContainEqual(message), { interval: 1 });
      return { ...channel, received, until };
    };
    return { bus, join };
  };

  test("delivers to all others and not to the sender, never inside the post", async () => {
    const { join } = setUp();
    const [a, b, c] = [join(), join(), join()];
    a.post("hello");
    expect([b.received, c.received]).toEqual([[], []]);
    await b.until("hello");
    await c.until("hello");
    b.post("answer");
    await a.until("answer");
    expect(a.received).toEqual(["answer"]);
  });

  test("delivers between two channels of one port", async () => {
    const { join } = setUp();
    const port = openPort();
    const [a, b] = [join({ port }), join({ port })];
    a.post("hello");
    await b.until("hello");
    expect(a.received).toEqual([]);
  });

  test("keeps the order of what one channel posts", async () => {
    const { join } = setUp();
    const [a, b] = [join(), join()];
    for (const n of [1, 2, 3, 4]) a.post(n);
    await b.until(4);
    expect(b.received).toEqual([1, 2, 3, 4]);
  });

  test("delivers a copy as it was when it was posted", async () => {
    const { join } = setUp();
    const [a, b] = [join(), join()];
    const message = { list: [1] };
    a.post(message);
    message.list.push(2);
    await b.until({ list: [1] });
    expect(b.received).toEqual([{ list: [1] }]);
  });

  test("delivers nothing to channels of another name", async () => {
    const { join } = setUp();
    const [a, b, other] = [join(), join(), join({ name: crypto.randomUUID() })];
    a.post("hello");
    await b.until("hello");
    expect(other.received).toEqual([]);
  });

  test("loses a message that cannot be cloned, and goes on", async () => {
    const { join } = setUp();
    const [a, b] = [join(), join()];
    a.post({ not: () => "cloneable" });
    a.post("after");
    await b.until("after");
    expect(b.received).toEqual(["after"]);
  });

  test("delivers what was posted just before the channel closed", async () => {
    const { join } = setUp();
    const [a, b] = [join(), join()];
    a.post("bye");
    a.close();
    await b.until("bye");
    expect(b.received).toEqual(["bye"]);
  });

  test("loses what is posted on a closed channel", async () => {
    const { join } = setUp();
    const [a, b, c] = [join(), join(), join()];
    a.close();
    a.close();
    a.post("too late");
    c.post("end");
    await b.until("end");
    expect(b.received).toEqual(["end"]);
  });

  test("delivers nothing to a channel after it closed, not even what was on its way", async () => {
    const { join } = setUp();
    const [a, b, c] = [join(), join(), join()];
    a.post("hello");
    b.close();
    a.post("again");
    await c.until("again");
    expect(b.received).toEqual([]);
  });

  test("tells when a message cannot be decoded, and goes on", async () => {
    const { bus, join } = setUp();
    const [a, b] = [join(), join()];
    sendBroken(bus);
    await b.until("(broken)");
    a.post("after");
    await b.until("after");
    expect(b.received).toEqual(["(broken)", "after"]);
  });
};
