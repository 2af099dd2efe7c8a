/** The paths of these machines once more, in a real Chromium. */
import { useChromium } from "./chromium.ts";
import { commitSuite } from "./machines/commit.ts";
import { electionSuite } from "./machines/election.ts";
import { handoffSuite } from "./machines/handoff.ts";
import { loadSuite } from "./machines/load.ts";
import { testPaths } from "./suite.ts";

const createChromium = useChromium();

const place = { name: "Chromium", leftOut: {} };

testPaths(electionSuite, createChromium, place);
testPaths(handoffSuite, createChromium, place);
testPaths(commitSuite, createChromium, place);
testPaths(loadSuite, createChromium, place);
