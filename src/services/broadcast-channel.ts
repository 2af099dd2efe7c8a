/**
 * BroadcastChannel: messages between the tabs of one origin.
 *
 * Failure modes:
 * - Nothing is promised: a frozen tab gets its messages late, one in the back/forward cache never (a message that
 *   arrives for it evicts it), and a tab that is about to die may not get to send.
 * - `postMessage` throws on a closed channel and on values that cannot be cloned.
 * - A message can arrive that cannot be decoded (`messageerror`).
 */
import { type ChannelPort } from "./ports.ts";

/** Opens real channels. */
export const createBroadcastChannels = (): ChannelPort => ({
  open(name, receive, broken) {
    const channel: BroadcastChannel & { unref?: () => void } = new BroadcastChannel(name);
    // In Node an open channel would keep the process alive.
    channel.unref?.();
    channel.onmessage = (event) => receive(event.data);
    channel.onmessageerror = () => broken();
    return {
      post(message) {
        try {
          channel.postMessage(message);
        } catch {
          // A message is a hint: whoever misses it reads the log.
        }
      },
      close: () => channel.close(),
    };
  },
});
