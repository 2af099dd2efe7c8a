/** Public names of `sssync/testing`. */
export { AppPathError, type AppPathReport, appPaths } from "./app-paths.ts";
export { type AppServer, type ServerRules, serveApp } from "./app-server.ts";
export { type Converged, converge } from "./converge.ts";
export { type Course } from "./course.ts";
export {
  type Device,
  type DeviceOptions,
  type DeviceTab,
  type World,
  createDevice,
  createWorld,
} from "./device.ts";
export { type Coverage, coverage } from "./coverage.ts";
export { type Contents, type Disk } from "./disk.ts";
export { type FaultKind } from "./fault-kinds.ts";
export { type Operation } from "./faults.ts";
export { type PathCase, type PathOptions, type PathState, type PathStep } from "./graph.ts";
export {
  type Command,
  type CommandContext,
  type Invariant,
  type Outcome,
  type AppPathOptions,
  type AppPathOptionsOf,
  type Trouble,
} from "./app-options.ts";
export { checkPurity } from "./purity.ts";
export { type DevicePage } from "./page.ts";
export {
  type EdgePathOptions,
  type Path,
  type RandomPathOptions,
  edgePaths,
  randomPaths,
} from "./paths.ts";
export { type Draw } from "./scheduler.ts";
export { type Cell, cellsOf } from "./transitions.ts";
export { type Delivery } from "./virtual-channel.ts";
export {
  type Handler,
  type NetworkFault,
  type Sent,
  type VirtualNetwork,
  type WhichRequest,
} from "./virtual-network.ts";
