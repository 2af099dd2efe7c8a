/**
 * Random histories: devices that commit, push and pull over a network that loses, repeats, reorders and cuts off requests,
 * while the server restarts and is restored. Then the faults end, and the guarantees of the protocol are checked.
 *
 * A history is a list of steps, which a seed repeats. One that fails is made shorter before it is reported.
 */
import { type Trial } from "./case.ts";
import { Failed, must, same } from "./check.ts";
import { readPush } from "./client.ts";
import {
  type Device,
  batchOf,
  commit,
  copyDevice,
  createDevice,
  onPage,
  onPushed,
  onReset,
} from "./device.ts";
import { dump } from "./fold.ts";
import { pull, readPage, readSnapshot } from "./reader.ts";
import { diceOf } from "./dice.ts";

const kinds = {
  commit: 22,
  push: 18,
  pull: 14,
  deliver: 30,
  cut: 4,
  crash: 3,
  copy: 1.5,
  grant: 1.5,
  compact: 2,
  restart: 1,
  backup: 4,
  restore: 3,
} as const;
export type Kind = keyof typeof kinds;

interface Step {
  readonly kind: Kind;
  /** What else it needs to choose, as numbers from 0 to 1. */
  readonly rolls: readonly [number, number, number];
}

type Message = {
  readonly device: Device;
  readonly run: (signal: AbortSignal) => Promise<() => void>;
};

function stepsOf(seed: number, count: number, allowed: ReadonlySet<Kind>): Step[] {
  const dice = diceOf(seed);
  const usable = (Object.entries(kinds) as [Kind, number][]).filter(([kind]) => allowed.has(kind));
  const total = usable.reduce((sum, [, weight]) => sum + weight, 0);
  return Array.from({ length: count }, () => {
    let at = dice() * total;
    const kind = usable.find(([, weight]) => (at -= weight) < 0)?.[0] ?? "commit";
    return { kind, rolls: [dice(), dice(), dice()] };
  });
}

/** Lives through the steps in a space of its own; throws `Failed` where a guarantee is broken. */
async function live(t: Trial, steps: readonly Step[]): Promise<void> {
  const space = t.space();
  const start = (await t.readAll(space)).cursor;
  const devices = [1, 2, 3].map((it) => createDevice(`d${it}`, t.id()));
  /** Who committed what, in its order; copies are not in it, their order is two orders. */
  const committed = new Map<string, string>();
  const rejected = new Set<string>();
  const ids: (string | undefined)[] = [];
  let observed = start;
  let net: Message[] = [];
  /** Answers that have not arrived. */
  let answers: { readonly device: Device; readonly take: () => void }[] = [];
  let backup: Readonly<Record<string, unknown>> | undefined;
  let wasRestored = false;
  let granted = false;
  const copied = new Set<string>();

  const observe = async (): Promise<void> => {
    const read = await t.readAll(space, { cursor: observed });
    ids.push(...read.entries.map((it) => it.id));
    observed = read.cursor;
  };

  const pushOf = (device: Device, most: number): Message | undefined => {
    const request = batchOf(device, most);
    if (request.events.length === 0) return undefined;
    return {
      device,
      run: async (signal) => {
        const answer = await t.ask(`/${space}/push`, { json: request, signal });
        const pushed = readPush(answer, request.events);
        must(
          "no 4xx but 409",
          answer.status < 400 || answer.status === 409 || answer.status >= 500,
          answer.text,
        );
        for (const it of pushed.results) if (it.status === "rejected") rejected.add(it.id);
        return () => onPushed(device, request, pushed, t.id);
      },
    };
  };
  const pullOf = (device: Device, limit: number): Message => {
    const { cursor } = device;
    return {
      device,
      run: async (signal) => {
        const answer = await pull(t.target, signal, space, { cursor, limit });
        if (answer.status === 409) return () => onReset(device, cursor);
        if (answer.status >= 500) return () => undefined;
        const page = readPage(answer, cursor);
        const data =
          page.mode === "snapshot" ? (await readSnapshot(t.target, signal, space, page)).data : {};
        return () => onPage(device, page, data);
      },
    };
  };

  const step = async ({ kind, rolls: [a, b, c] }: Step): Promise<void> => {
    const device = devices[Math.floor(a * devices.length)] as Device;
    if (kind === "commit") {
      const id = t.id();
      const [name, payload] =
        b < 0.15
          ? (["deny.me", {}] as const)
          : b < 0.4
            ? (["item.inc", { id: "shared", by: 1 }] as const)
            : b < 0.5
              ? (["item.create", { id: "shared", title: device.name }] as const)
              : (["note.add", { id, item: "shared", text: device.name }] as const);
      commit(device, { id, name, payload, at: 1 });
      committed.set(id, device.name);
    } else if (kind === "push") {
      const message = pushOf(device, 1 + Math.floor(b * 4));
      if (message !== undefined) net.push(message);
    } else if (kind === "pull") net.push(pullOf(device, 1 + Math.floor(b * 5)));
    else if (kind === "deliver") {
      // Some at once, in any order; one may stay on its way, and arrive again.
      const chosen = net.filter((_, at) => (at * 0.37 + b) % 1 < 0.6);
      if (c < 0.8) net = net.filter((it) => !chosen.includes(it));
      const came = await Promise.all(
        chosen.map(async ({ device: of, run }) => ({ device: of, take: await run(t.signal) })),
      );
      answers.push(...came);
      answers = answers.filter((it, at) => {
        if ((at * 0.61 + c) % 1 < 0.3) return true; // Later.
        if ((at * 0.23 + a) % 1 < 0.85) it.take(); // Or never.
        return false;
      });
    } else if (kind === "cut") {
      // The request goes out, and the connection breaks: nobody knows what became of it.
      const message = pushOf(device, 4);
      const signal = AbortSignal.any([t.signal, AbortSignal.timeout(Math.floor(b * 4))]);
      await message?.run(signal).catch((error: unknown) => {
        if (error instanceof Failed) throw error;
      });
    } else if (kind === "crash") {
      net = net.filter((it) => it.device !== device);
      answers = answers.filter((it) => it.device !== device);
    } else if (kind === "copy") {
      if (devices.length > 4) return;
      const copy = copyDevice(device, `${device.name}*${devices.length}`);
      copied.add(device.name).add(copy.name);
      devices.push(copy);
      const id = t.id();
      commit(copy, {
        id,
        name: "note.add",
        payload: { id, item: "shared", text: copy.name },
        at: 1,
      });
      committed.set(id, copy.name);
    } else if (kind === "grant") {
      granted = true;
      await t.control("grant", { space, event: "deny.me" });
    } else if (kind === "compact") {
      await observe();
      await t.control("compact", { space });
    } else if (kind === "restart") await t.control("restart");
    else if (kind === "backup") backup = await t.control("backup");
    else if (kind === "restore" && backup !== undefined) {
      await t.control("restore", backup);
      // What was on its way went down with it; the log before the backup is the same.
      wasRestored = true;
      net = [];
      answers = [];
      ids.length = 0;
      observed = start;
    }
  };
  for (const it of steps) await step(it);

  // The faults end.
  net = [];
  for (let round = 0; ; round += 1) {
    must(
      "all outboxes to become empty once faults end (G3)",
      round < 40,
      devices.map((it) => it.outbox),
    );
    for (const device of devices) {
      (await pushOf(device, 50)?.run(t.signal))?.();
      for (let cursor: string | null | undefined; cursor !== device.cursor || cursor === null;) {
        ({ cursor } = device);
        (await pullOf(device, 100).run(t.signal))();
      }
    }
    if (devices.every((it) => it.outbox.length === 0)) break;
  }
  for (const device of devices) (await pullOf(device, 100).run(t.signal))();
  await observe();
  const fresh = await t.readAll(space);
  for (const device of devices) {
    must("each device to stand at the head (G3)", device.pos === fresh.head, [
      device.pos,
      fresh.head,
    ]);
    const reader = createDevice("reader", "reader");
    onPage(
      reader,
      {
        mode: "snapshot",
        epoch: "-",
        from: null,
        cursor: "-",
        pos: 0,
        head: 0,
        data: {},
        next: null,
        snapshot: "-",
      },
      fresh.data ?? {},
    );
    onPage(
      reader,
      {
        mode: "log",
        epoch: "-",
        from: "-",
        cursor: "-",
        pos: 0,
        head: 0,
        more: false,
        entries: [...fresh.entries],
      },
      {},
    );
    same(`the rows of ${device.name} (G2, G8)`, dump(device.base), dump(reader.base));
  }

  same("the number of entries, each event once (G1)", new Set(ids).size, ids.length);
  const logged = new Set(ids);
  for (const device of devices)
    for (const [id, outcomes] of device.outcomes) {
      same(`the number of outcomes of ${id} (G6)`, outcomes.size, 1);
      if (wasRestored) continue;
      if (outcomes.has("accepted"))
        must(`${id}, which was accepted, in the log (G1)`, logged.has(id));
    }
  for (const [id, name] of committed) {
    const owner = devices.find((it) => it.name === name);
    must(`an outcome of ${id} (G6)`, owner?.outcomes.has(id) === true, name);
    if (!wasRestored)
      must(
        `no entry of ${id}, which was rejected (G5)`,
        !(rejected.has(id) && logged.has(id)),
        granted,
      );
  }
  for (const { name } of devices) {
    if (copied.has(name)) continue;
    const own = Array.from(committed.keys()).filter(
      (id) => committed.get(id) === name && logged.has(id),
    );
    const order = ids.filter((id) => committed.get(id ?? "") === name);
    if (!wasRestored) same(`the events of ${name} in the log, in its order (G7)`, order, own);
  }
  const shared = fresh.head === 0 ? 0 : ids.length;
  must("no more entries than commits (G1)", shared <= committed.size, [shared, committed.size]);
}

/** Lives through random histories; one that fails is told with as few steps as a few tries lead to. */
export async function histories(
  t: Trial,
  allowed: ReadonlySet<Kind>,
  first: number,
): Promise<void> {
  const attempt = async (steps: readonly Step[]): Promise<Failed | undefined> => {
    try {
      await live(t, steps);
      return undefined;
    } catch (error) {
      if (error instanceof Failed) return error;
      throw error;
    }
  };
  for (let seed = first; seed < first + t.effort.histories; seed += 1) {
    let steps: Step[] = stepsOf(seed, 90, allowed);
    let failure = await attempt(steps);
    if (failure === undefined) continue;
    let tries = 12;
    for (let size = Math.ceil(steps.length / 2); size >= 2 && tries > 0; size = Math.ceil(size / 2))
      for (let from = 0; from < steps.length && tries > 0; tries -= 1) {
        const fewer = steps.toSpliced(from, size);
        const again = await attempt(fewer);
        if (again === undefined) from += size;
        else [steps, failure] = [fewer, again];
      }
    const story = steps.map((it) => it.kind).join(" ");
    throw new Failed(`${failure.message} (seed ${seed}, ${steps.length} steps: ${story})`);
  }
}
