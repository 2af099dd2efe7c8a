/** Public names of `sssync/testing`. */
export { type Device, type DeviceOptions, type DeviceTab, createDevice } from "./device.ts";
export { type Contents, type Disk } from "./disk.ts";
export { type FaultKind } from "./fault-kinds.ts";
export { type Operation } from "./faults.ts";
export { type DevicePage } from "./page.ts";
export { type Draw } from "./scheduler.ts";
export { type Delivery } from "./virtual-channel.ts";
