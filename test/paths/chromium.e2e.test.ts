/** The paths of these machines once more, in a real Chromium. */
import { useChromium } from "./chromium.ts";
import { electionSuite } from "./machines/election.ts";
import { testPaths } from "./suite.ts";

const createChromium = useChromium();

testPaths(electionSuite, createChromium, { name: "Chromium", leftOut: {} });
