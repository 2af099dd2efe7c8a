import { afterAll, beforeAll } from "vitest";
import { createBroadcastChannels } from "../../src/services/broadcast-channel.ts";
import { type ChannelSubject } from "./channel.contract.ts";

/** The BroadcastChannel of this place. A message that cannot be decoded cannot be sent on purpose: its event is made here. */
export const realChannels = (): ChannelSubject => {
  const Original = globalThis.BroadcastChannel;
  const channels: BroadcastChannel[] = [];
  beforeAll(() => {
    globalThis.BroadcastChannel = class extends Original {
      constructor(name: string) {
        super(name);
        channels.push(this);
      }
    };
  });
  afterAll(() => {
    globalThis.BroadcastChannel = Original;
  });
  return {
    openPort: createBroadcastChannels,
    sendBroken(name) {
      for (const channel of channels) {
        if (channel.name === name) channel.dispatchEvent(new MessageEvent("messageerror"));
      }
    },
  };
};
