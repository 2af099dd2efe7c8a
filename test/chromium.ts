import { findChromium } from "../scripts/chromium.mjs";

const executablePath = findChromium();

/** How every test starts Chromium; the flags keep it from touching the network, and let it run as root in a container. */
export const chromiumLaunch = {
  ...(executablePath === undefined ? {} : { executablePath }),
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
};
