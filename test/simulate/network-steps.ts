/** What can happen between devices and their server, and to the server. */
import { type NetworkFault } from "../../src/testing/index.ts";
import { type Act, counted, lasts, pick } from "./acts.ts";
import { type Space } from "./space.ts";
import { type World } from "./world.ts";

const faults: readonly NetworkFault[] = [
  "requestLost",
  "answerLost",
  "answerLost",
  "requestHung",
  "answerHung",
  "doubled",
  "doubled",
  "html",
  "redirect",
  "truncated",
  "truncated",
  "wrongType",
  "prototype",
  401,
  403,
  404,
  413,
  429,
  500,
  502,
  503,
];
const whole: readonly NetworkFault[] = ["requestLost", "answerLost", "requestHung", "html", 503];
const endpoints = ["push", "push", "pull", "live", undefined];

const ofSpace = (world: World): Space => world.space as Space;

/** There is one network, and one server. */
const common = (): string => "";

const isSet = (key: "mayTake" | "mayEnter" | "isBroken", value: boolean) => {
  return (_: unknown, { world }: { readonly world: World }): (() => void) => {
    const { state } = ofSpace(world);
    state[key] = value;
    return () => {
      state[key] = !value;
    };
  };
};

/** The next one, if there is one before what lasts ends. */
const failRequest: Act = ({ world, lasting, step: { a, b } }) => {
  const fault = pick(faults, a);
  const which = pick(endpoints, b);
  world.count(`request ${fault}`);
  const end = world.devices.network.always(fault, ({ url }) => {
    const isMet = which === undefined || url.pathname.endsWith(`/${which}`);
    if (isMet) end();
    return isMet;
  });
  lasting.set(`request ${world.nextMark()}`, end);
  return `: the next ${which ?? "request"} meets ${fault}`;
};

export const network = {
  failRequest: [16, failRequest],
  failAll: [
    2,
    lasts(
      "all requests fail",
      (_, { world, step }) => world.devices.network.always(pick(whole, step.a)),
      common,
    ),
  ],
  delayRequests: [
    4,
    lasts("requests are held back", (_, { world }) => world.devices.network.delay(), common),
  ],
  delayPushes: [
    2,
    lasts("pushes are held back", (_, { world }) => world.devices.network.delay("push"), common),
  ],
  cut: [3, counted("connections are cut", ({ world }) => world.devices.network.cut())],
  offline: [
    3,
    lasts("a device is offline", (device) => {
      device.setOnline(false);
      return () => device.setOnline(true);
    }),
  ],
  restart: [2, counted("the server is started anew", ({ world }) => ofSpace(world).restart())],
  backUp: [1.5, counted("a backup is made", ({ world }) => void ofSpace(world).backUp())],
  putBack: [
    1,
    async ({ world }) => {
      if (!(await ofSpace(world).restore())) return "";
      world.count("the server is put back to its backup");
      return ": the server is put back to its backup";
    },
  ],
  compact: [
    2,
    async ({ world }) => {
      world.count("the server compacts its log");
      await ofSpace(world).compact();
      return ": the server compacts its log";
    },
  ],
  newEpoch: [
    0.4,
    async ({ world }) => {
      world.count("the server throws its log away");
      await ofSpace(world).newEpoch();
      return ": the server throws its log away";
    },
  ],
  clone: [
    0.7,
    ({ world }, { place }) => {
      if (!world.clone(place)) return "";
      world.count("a device is copied");
      return ": its device is copied";
    },
  ],
  serve: [
    4,
    ({ world }, { place }) => {
      if (place.isServed) return "";
      world.count("an app gets a server");
      place.isServed = true;
      return ": the app has a server, where it is opened from now on";
    },
  ],
  taboo: [3, lasts("nobody may take", isSet("mayTake", false), common)],
  forbid: [1.5, lasts("nobody may enter", isSet("mayEnter", false), common)],
  breakRule: [1.5, lasts("the server's rule throws", isSet("isBroken", true), common)],
  expire: [
    1.5,
    lasts(
      "tokens expire",
      (_, { world }) => {
        const { state } = ofSpace(world);
        state.valid += "+";
        return () => {
          state.token = state.valid;
        };
      },
      common,
    ),
  ],
} satisfies Record<string, readonly [weight: number, act: Act]>;
