// @ts-check
/**
 * `npm run bench:server`: measures the server, prints the figures, and exits with 1 when a bound is missed.
 *
 *   --only <word>      only "pushes", "live" or "client"
 *   --rounds <factor>  that many times the rounds of the client, for steadier medians
 */
import { rmSync } from "node:fs";
import { parseArgs } from "node:util";
import { bundle } from "./bundle.mjs";
import { measureClient, median } from "./client.mjs";
import { measureLive, streams } from "./live.mjs";
import { loads, measure } from "./pushes.mjs";

const { values: options } = parseArgs({
  options: { only: { type: "string" }, rounds: { type: "string", default: "1" } },
});
/** A push costs at most so much more than its rows do. */
const leastShare = 0.6;
/** ms from a push to the last of the streams. */
const mostDelay = 1000;

let missed = 0;
/** @type {(isMet: boolean, text: string) => void} */
const judge = (isMet, text) => {
  if (!isMet) missed += 1;
  console.log(`  ${isMet ? "met   " : "MISSED"} ${text}`);
};
/** @type {(value: number) => string} */
const whole = (value) => Math.round(value).toLocaleString("en");

/** @type {(word: string) => boolean} */
const isWanted = (word) => options.only === undefined || options.only === word;
const { folder, url } = await bundle();
try {
  if (isWanted("pushes")) {
    const source = await import(url);
    for (const load of loads) {
      const { byHand, alone, together } = await measure(source, folder, load);
      console.log(`pushes of ${load.name}, in events per second`);
      console.log(`  by hand, one transaction after the other   ${whole(byHand)}`);
      console.log(`  server, one push after the other           ${whole(alone)}`);
      console.log(
        `  server, 32 clients at a time               ${whole(together)} (${(together / byHand).toFixed(2)} × by hand)`,
      );
      const share = alone / byHand;
      judge(share >= leastShare, `at least ${leastShare} × by hand: ${share.toFixed(2)} ×`);
    }
  }
  if (isWanted("live")) {
    const { all, first, bytesPerStream } = await measureLive(url, folder);
    console.log(`${streams} live streams of one process, over HTTP`);
    console.log(`  memory per stream                          ${whole(bytesPerStream / 1024)} KiB`);
    console.log(
      `  push to first poke, to last                ${whole(first)} ms, ${whole(all)} ms`,
    );
    judge(all <= mostDelay, `all within ${mostDelay} ms: ${whole(all)} ms`);
  }
  if (isWanted("client")) {
    for (const result of await measureClient(await import(url), folder, Number(options.rounds))) {
      const { title, by, atMost, taken } = result;
      console.log(`${title}, in ms`);
      for (const [name, { ms, requests, turns }] of Object.entries(taken)) {
        const counts = Object.entries(requests).map(([it, n]) => `${(n / turns).toFixed(1)} ${it}`);
        console.log(
          `  ${name.padEnd(10)}${median(ms).toFixed(1).padStart(9)}   ${counts.join(", ")}`,
        );
      }
      const ratio = median(taken["sssync"]?.ms ?? []) / median(taken[by]?.ms ?? []);
      judge(ratio <= atMost, `at most ${atMost} × ${by}: ${ratio.toFixed(2)} ×`);
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = missed > 0 ? 1 : 0;
