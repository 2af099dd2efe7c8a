// @ts-check
/** 1,000 live streams of one process, over HTTP: what one costs, and when a poke has reached all. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const streams = 1000;

/** @type {(n: number) => object} */
const batch = (n) => {
  const id = `event-${String(n).padStart(4, "0")}`;
  return { client: "client-aa", events: [{ id, seq: n, name: "added", payload: { id }, at: 1 }] };
};

/** @type {(url: string, folder: string) => Promise<{ bytesPerStream: number, all: number, first: number }>} */
export async function measureLive(url, folder) {
  const script = fileURLToPath(new URL("live-server.mjs", import.meta.url));
  const child = fork(script, [url, join(folder, "live.db")], { execArgv: ["--expose-gc"] });
  try {
    const [{ port }] = /** @type {[{ port: number }]} */ (await once(child, "message"));
    const ask = async () => {
      child.send("memory");
      return /** @type {[{ rss: number, streams: number }]} */ (await once(child, "message"))[0];
    };
    const agent = new Agent({ maxSockets: Infinity });
    /** @type {(path: string, user: string, body?: object) => Promise<import("node:http").IncomingMessage>} */
    const call = async (path, user, body) => {
      const headers = {
        Authorization: user,
        "Sssync-Protocol": "1",
        ...(body && { "Content-Type": "application/json" }),
      };
      const options = { host: "127.0.0.1", port, path: `/sync/${path}`, agent, headers };
      const sent = request({ ...options, method: body ? "POST" : "GET" });
      sent.end(body && JSON.stringify(body));
      return (await once(sent, "response"))[0];
    };
    // Everything is loaded and warm before the memory is looked at.
    (await call("one/push", "user-0", batch(1))).resume();
    const before = await ask();
    let poked = 0;
    let first = 0;
    /** @type {() => void} */
    let done = Object;
    const responses = [];
    for (let at = 0; at < streams; at += 1) {
      const response = await call("one/live", `user-${at}`);
      await once(response, "readable");
      response.on("data", (/** @type {Buffer} */ data) => {
        if (!String(data).includes("event: poke")) return;
        poked += 1;
        if (poked === 1) first = performance.now();
        if (poked === streams) done();
      });
      responses.push(response);
    }
    const open = await ask();
    if (open.streams !== streams)
      throw new Error(`Expected ${streams} streams, got ${open.streams}`);
    const all = new Promise((resolve) => {
      done = () => resolve(undefined);
    });
    const began = performance.now();
    (await call("one/push", "user-0", batch(2))).resume();
    await all;
    const ended = performance.now();
    agent.destroy();
    return {
      bytesPerStream: (open.rss - before.rss) / streams,
      all: ended - began,
      first: first - began,
    };
  } finally {
    child.kill();
  }
}
