import { chromiumFlags, findChromium } from "../scripts/chromium.mjs";

const executablePath = findChromium();

/** How every test starts Chromium. */
export const chromiumLaunch = {
  ...(executablePath === undefined ? {} : { executablePath }),
  args: [...chromiumFlags],
};
