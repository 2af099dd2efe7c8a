/** What steps are made of. */
import { type Device } from "../../src/testing/index.ts";
import { type Lasting, type Step } from "./steps.ts";
import { type Tab, type World } from "./world.ts";

export interface Scene {
  readonly world: World;
  readonly lasting: Lasting;
  readonly step: Step;
}
export type Act = (scene: Scene, tab: Tab) => string | Promise<string>;

export const pick = <T>(of: readonly T[], at: number): T => of[at % of.length] as T;

/** Starts a fault that lasts, or ends it. */
export function lasts(
  what: string,
  start: (device: Device, scene: Scene) => () => void,
  of: (tab: Tab, world: World) => string = ({ place }, { places }) =>
    places.length > 1 ? ` (device ${places.indexOf(place) + 1})` : "",
): Act {
  return ({ world, lasting, ...scene }, tab) => {
    const name = `${what}${of(tab, world)}`;
    const end = lasting.get(name);
    if (end !== undefined) {
      end();
      lasting.delete(name);
      return `: ${name} ends`;
    }
    world.count(what);
    lasting.set(name, start(tab.place.device, { world, lasting, ...scene }));
    return `: ${name}`;
  };
}

export const counted =
  (what: string, act: (scene: Scene, tab: Tab) => void): Act =>
  (scene, tab) => {
    scene.world.count(what);
    act(scene, tab);
    return `: ${what}`;
  };
