/** Gives a case what it works with. */
import { type Info } from "../protocol/index.ts";
import { type Effort, type Level, type Trial, covers } from "./case.ts";
import { Failed, must, same, skip } from "./check.ts";
import { createClient } from "./client.ts";
import { openLive } from "./live.ts";
import { type Reader, pull, readAll, readPage } from "./reader.ts";
import { type Target, read, send } from "./target.ts";

/** Ids of different runs against one server must not meet. */
const random = (): string => crypto.randomUUID().replaceAll("-", "").slice(0, 16);

export function createTrial(
  caseId: string,
  target: Target,
  info: Info,
  level: Level,
  effort: Effort,
  signal: AbortSignal,
): Trial {
  const own = `${caseId.toLowerCase()}-${random()}`;
  let count = 0;
  const id = (): string => {
    count += 1;
    return `${own}-${count}`;
  };
  const ask: Trial["ask"] = async (path, options) =>
    read(await send(target, path, { signal, ...options }));
  const page: Trial["page"] = async (space, options = {}) =>
    readPage(await pull(target, signal, space, options), options.cursor ?? null);
  return {
    target,
    info,
    level,
    effort,
    signal,
    id,
    ask,
    page,
    // Not of ids alone: characters that a path may have, which a server might take apart.
    space: (whose = "all") => (whose === "A" ? `a.${id()}` : `all.${id()}~_`),
    client: (space, options = {}) => createClient(target, id, signal, space, options),
    pull: (space, options = {}) => pull(target, signal, space, options),
    async logPage(space, options) {
      const it = await page(space, options);
      must("a page of the log", it.mode === "log", it.mode);
      return it;
    },
    readAll: (space, options = {}) => readAll(target, signal, space, options),
    async follow(space) {
      const isCovered = covers(level, "L2");
      const start = isCovered ? (await readAll(target, signal, space, {})).cursor : undefined;
      const check: Reader["check"] = async (look) => {
        if (start !== undefined)
          look((await readAll(target, signal, space, { cursor: start })).entries);
      };
      return {
        start,
        check,
        holds: (ids) =>
          check((entries) =>
            same(
              "the ids in the log",
              entries.map((it) => it.id),
              ids,
            ),
          ),
      };
    },
    live: (space, options = {}) => openLive(target, signal, effort.slack, space, options),
    async control(operation, body = {}) {
      if (target.control === undefined) return skip("needs a control plane");
      const answer = await ask(`${target.control}/${operation}`, { method: "POST", json: body });
      if (answer.status === 404 || answer.status === 501)
        skip(`needs \`${operation}\` of the control plane`);
      if (answer.status !== 200)
        throw new Failed(
          `Expected the control plane to ${operation}, got ${answer.status} ${answer.text.slice(0, 200)}`,
        );
      return (answer.json ?? {}) as Readonly<Record<string, unknown>>;
    },
    async sleep(ms) {
      await new Promise((resolve) => setTimeout(resolve, ms));
      signal.throwIfAborted();
    },
  };
}
