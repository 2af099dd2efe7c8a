/** The traces of docs/protocol.md, and the server that they are run against. */
import * as v from "valibot";
import { defineEvent } from "../../src/index.ts";
import { createSyncServer, memory } from "../../src/server/index.ts";
import { createSeededRandom } from "../../src/testing/seeded-random.ts";

interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** As it stands in the page. */
  readonly status: number;
  readonly answer: string;
}

/** What happens in a trace; a number: the server is restored from the backup made after so many exchanges. */
type Step = Exchange | number;

interface Trace {
  readonly title: string;
  readonly steps: readonly Step[];
}

const ofBlock = (text: string): Exchange => {
  const [ask = "", answer = ""] = text.split(/\n\n(?=HTTP)/);
  const [head = "", body = ""] = ask.split("\n\n");
  const [line = "", ...lines] = head.split("\n");
  const [method = "", path = ""] = line.split(" ");
  const [answerHead = "", answerBody = ""] = answer.split("\n\n");
  return {
    method,
    path,
    headers: Object.fromEntries(lines.map((it) => it.split(": ") as [string, string])),
    body: body.trim(),
    status: Number(/^HTTP (\d+)/.exec(answerHead)?.[1]),
    answer: answerBody.trim(),
  };
};

/** Traces below a heading of level 2: one for each heading of level 3. */
export function tracesOf(page: string): Trace[] {
  const part = /^## B\. Traces\n(.*?)^## /ms.exec(page)?.[1] ?? "";
  return part
    .split(/^### /m)
    .slice(1)
    .map((text) => ({
      title: text.slice(0, text.indexOf("\n")),
      steps: Array.from(text.matchAll(/^```(http|text)\n(.*?)^```$/gms), ([, kind, code = ""]) =>
        kind === "http" ? ofBlock(code) : Number(/after request (\d+)/.exec(code)?.[1]),
      ),
    }));
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** A server that does the same in every run. */
function serve(): (exchange: Exchange) => Promise<Answer> {
  const text = v.pipe(v.string(), v.minLength(1), v.maxLength(20));
  const server = createSyncServer({
    storage: memory(),
    events: { todoAdded: defineEvent({ schema: v.object({ id: v.string(), text }) }) },
    authenticate: ({ headers }) => {
      const [, id] = /^Bearer (.+)$/.exec(headers.get("Authorization") ?? "") ?? [];
      return id === undefined ? null : { id };
    },
    authorizeSpace: () => true,
    random: createSeededRandom(1),
    clock: {
      now: () => 1_790_000_000_100,
      setTimeout: () => 0,
      clearTimeout: () => undefined,
    },
  });
  return async ({ method, path, headers, body }) => {
    const response = await server.fetch(
      new Request(`http://server${path}`, { method, headers, ...(body === "" ? {} : { body }) }),
    );
    return { status: response.status, body: await response.text() };
  };
}

/** Runs a trace: what was answered to each exchange. */
export async function play({ steps }: Trace): Promise<Answer[]> {
  let ask = serve();
  let done: Exchange[] = [];
  const answers: Answer[] = [];
  for (const step of steps) {
    if (typeof step === "number") {
      // A backup is a server that was told the same up to then.
      done = done.slice(0, step);
      ask = serve();
      for (const exchange of done) await ask(exchange);
    } else {
      done.push(step);
      answers.push(await ask(step));
    }
  }
  return answers;
}
