/** The runs in which the leader is struck. */
import { type Course } from "./cuts.ts";
import { type Scene, type Tab } from "./scene.ts";

async function openAll(scene: Scene, elsewhere = false): Promise<void> {
  const first = scene.open();
  await scene.world.run(first.sync.ready);
  await scene.world.pass(2500);
  const other = elsewhere ? scene.world.createDevice() : undefined;
  const [second, third] = [scene.open(), scene.open(other)];
  await scene.world.run(Promise.all([second.sync.ready, third.sync.ready]));
  await scene.world.pass(500);
}

const all = ({ tabs }: Scene): readonly [Tab, Tab, Tab] =>
  [tabs[0], tabs[1], tabs[2]] as [Tab, Tab, Tab];

/** All three at once. */
function allCommit(scene: Scene): Promise<void> {
  const [first, second, third] = all(scene);
  return scene.act(() => {
    scene.commit(first, "a");
    scene.commit(second, "b");
    scene.commit(third, "c");
  });
}

/** Tab 1 leads: all three write at once, it decides and folds. */
const leading: Omit<Course, "server"> = {
  name: "leading",
  victim: 0,
  third: 2,
  begin: (scene) => openAll(scene),
  async go(scene) {
    await allCommit(scene);
    await scene.world.settle();
    await scene.act(() => scene.commit(all(scene)[0], "d"));
    await scene.world.pass(2500);
  },
};

/** Tab 1 hands over as it goes into the back/forward cache, while tab 2, which takes over, and tab 3 write. */
const takingOver: Omit<Course, "server"> = {
  name: "taking over",
  victim: 1,
  third: 0,
  begin: (scene) => openAll(scene),
  async go(scene) {
    const [first, second, third] = all(scene);
    await scene.act(() => {
      scene.commit(first, "a");
      first.page.bfcache();
      scene.commit(third, "c");
    });
    await scene.act(() => scene.commit(second, "b"));
    await scene.world.pass(2500);
  },
};

/** As `leading`, but the third one writes on another device, and the server decides. */
const leadingOfTwo: Omit<Course, "server"> = {
  name: "leading, with a server",
  victim: 0,
  third: 2,
  begin: (scene) => openAll(scene, true),
  async go(scene) {
    await allCommit(scene);
    await scene.world.pass(2500);
  },
};

export const alone: readonly Course[] = [
  { ...leading, server: false },
  { ...takingOver, server: false },
];

export const withServer = {
  leading: { ...leadingOfTwo, server: true, strokes: ["killed", "stopped"] },
  takingOver: {
    ...takingOver,
    name: "taking over, with a server",
    server: true,
    strokes: ["killed", "offline"],
  },
} satisfies Record<string, Course>;
