import { describe } from "vitest";
import { channelContract } from "./channel.contract.ts";
import { realChannels } from "./real-channels.ts";

describe("BroadcastChannel in Chromium", () => {
  channelContract(realChannels());
});
