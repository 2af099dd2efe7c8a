/** What lies between devices and the server: a way that is slow, is cut, and holds requests and answers back. */
import { type IncomingMessage, type ServerResponse, request as ask } from "node:http";

export type Kind = "push" | "pull";
type Side = "before" | "after";

/** A request that is held: before the server has it, or with its answer ready. */
export interface Held {
  /** The device is still waiting for the answer. */
  isWaiting(): boolean;
  /** Nobody gets anything any more. */
  cut(): void;
  /** Resolves when it got where it was held back from: to the server and answered, or to the device. */
  pass(): Promise<void>;
}

interface Trap {
  readonly kind: Kind;
  readonly side: Side;
  caught(held: Held): void;
}

async function bodyOf(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** The way of one device to whatever server is at `port()` at the time. */
export function createWay(port: () => number) {
  const open = new Set<ServerResponse>();
  let trap: Trap | undefined;
  let isCut = false;
  const counts = { requests: 0, cut: 0, delayed: 0 };
  let delay = 0;

  const cut = (response: ServerResponse): void => {
    counts.cut += 1;
    response.destroy();
  };

  /** Takes the trap if it is for this. Resolves when whatever is held may go on; false: it is cut. */
  function hold(kind: string, side: Side, response: ServerResponse): Promise<boolean> {
    if (trap?.kind !== kind || trap.side !== side) return Promise.resolve(true);
    const { caught } = trap;
    trap = undefined;
    return new Promise((resolve) => {
      const passed = new Promise<void>((done) => {
        response.once("passed", done);
      });
      caught({
        isWaiting: () => !response.destroyed && !response.socket?.destroyed,
        cut() {
          response.destroy();
          resolve(false);
        },
        pass() {
          resolve(true);
          return passed;
        },
      });
    });
  }

  async function forward(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method, url = "", headers } = incoming;
    const kind = new URL(url, "http://localhost").pathname.split("/").at(-1) ?? "";
    const body = await bodyOf(incoming);
    if (delay > 0) {
      counts.delayed += 1;
      await new Promise((resolve) => setTimeout(resolve, Math.random() * delay));
    }
    if (!(await hold(kind, "before", response))) return;
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const sent = ask(
        { host: "127.0.0.1", port: port(), path: url, method, headers, agent: false },
        resolve,
      );
      sent.on("error", reject);
      // A push goes on: it has left the device.
      if (kind !== "push") response.once("close", () => sent.destroy());
      sent.end(body);
    });
    if (kind === "live") {
      answer.on("error", () => response.destroy());
      if (!response.destroyed) response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
      return;
    }
    const whole = await bodyOf(answer);
    if (!(await hold(kind, "after", response))) return;
    if (response.destroyed) response.emit("passed");
    else {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      response.end(whole, () => response.emit("passed"));
    }
  }

  return {
    counts,
    handle(incoming: IncomingMessage, response: ServerResponse): boolean {
      if (incoming.url?.startsWith("/sync/") !== true) return false;
      counts.requests += 1;
      if (isCut) {
        cut(response);
        return true;
      }
      open.add(response);
      response.once("close", () => open.delete(response));
      forward(incoming, response).catch(() => cut(response));
      return true;
    },
    /** The next one of these is held. */
    holdNext: (kind: Kind, side: Side): Promise<Held> =>
      new Promise((resolve) => {
        trap = { kind, side, caught: resolve };
      }),
    /** Cuts what is under way, and lets nothing through. */
    cutOff(): void {
      isCut = true;
      for (const response of open) cut(response);
    },
    restore: (): unknown => (isCut = false),
    /** From here on requests take up to so many ms longer. */
    slowDown: (ms: number): unknown => (delay = ms),
  };
}

export type Way = ReturnType<typeof createWay>;
