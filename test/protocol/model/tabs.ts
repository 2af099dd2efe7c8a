/** What tabs do: they commit to the log, one of them leads, and sends what its record on disk allows. */
import { type LogRecord, type State, apply, planAttempt } from "./device.ts";
import { type Dice } from "./dice.ts";
import { pull, push, query } from "./server.ts";
import { type Device, type Leader, type Message, type World, count } from "./world.ts";

const plain = (_: string, value: unknown): unknown =>
  value instanceof Map || value instanceof Set ? Array.from(value) : value;

export function createTabs(world: World, dice: Dice, nextClient: () => string) {
  const { cache, options } = world;
  const { mutant, strictAttempts = false, story } = options;

  /** Appends a record. Returns whether an answer was of no use. */
  function append(it: Device, record: LogRecord): boolean {
    const { state, told, refused } = apply(it.state, record, mutant);
    it.log = [...it.log, record];
    it.state = state;
    story?.(`${it.name} #${it.log.length} ${JSON.stringify(record, plain)} ${told.join(" ")}`);
    for (const [id, outcome] of told) {
      const before = it.told.get(id) ?? new Set();
      it.told.set(id, before.add(outcome));
    }
    return refused === true;
  }

  /** A leader's write: refused when another one leads. */
  function lead(leader: Leader, record: LogRecord): "written" | "fenced" | "useless" {
    const { device: it } = leader;
    if (leader.term !== it.term) {
      count(world, "fenced");
      story?.(`${it.name} refuses a write of term ${leader.term}: ${record.kind}`);
      leader.alive = false;
      it.leaders = it.leaders.filter((other) => other !== leader);
      return "fenced";
    }
    const refused = append(it, record);
    leader.known = it.log.length;
    return refused ? "useless" : "written";
  }

  function elect(it: Device): Leader {
    it.term += 1;
    // The term is written so that it survives, and with it what was written before.
    it.synced = it.log.length;
    const leader: Leader = { device: it, term: it.term, known: it.log.length, alive: true };
    story?.(`${it.name} has a leader of term ${it.term}`);
    // The one before may not have noticed yet.
    const stale = it.leaders.filter(() => dice.fraction() < 0.6);
    for (const other of it.leaders) other.alive = stale.includes(other);
    it.leaders = [...stale.slice(-2), leader];
    return leader;
  }

  /** What a leader has read. */
  const readBy = ({ device: it, known }: Leader): State => {
    if (known >= it.log.length) return it.state;
    return it.log
      .slice(0, known)
      .reduce((state, record) => apply(state, record, mutant).state, it.first);
  };

  function doPush(leader: Leader): void {
    const { device: it } = leader;
    const plan = planAttempt(readBy(leader), 1 + dice.below(3));
    if (plan === undefined) return;
    const { record, request: body } = plan;
    const send = (): void => {
      world.network.push({ to: "server", from: leader, kind: "push", body });
      story?.(`${it.name} sends ${JSON.stringify(body)}`);
      count(world, "attempt");
    };
    if (mutant === "send-first" && dice.fraction() < 0.3) {
      send();
      return;
    }
    // Somebody committed since: the number of what comes next may be another one, or its place taken.
    if (leader.term === it.term && leader.known < it.log.length && mutant !== "blind-attempt") {
      count(world, "attempt behind the log");
      leader.known = it.log.length;
      return;
    }
    const written = lead(leader, record);
    if (written === "fenced" && mutant !== "unfenced-attempt") return;
    if (strictAttempts) it.synced = it.log.length;
    send();
  }

  const doPull = (leader: Leader): void => {
    const { cursor, seen } = readBy(leader);
    world.network.push({ to: "server", from: leader, kind: "pull", cursor, seen });
  };
  const doQuery = (leader: Leader, row: string, fresh: boolean): void => {
    world.network.push({ to: "server", from: leader, kind: "query", row, fresh });
  };

  function serve(message: Extract<Message, { to: "server" }>): LogRecord {
    const { server } = world;
    if (message.kind === "push") {
      const { body: request } = message;
      const response = push(server, request, mutant);
      story?.(`the server answers ${JSON.stringify(request)} with ${JSON.stringify(response)}`);
      return { kind: "pushed", request, response, spare: nextClient() };
    }
    if (message.kind === "pull") {
      const { cursor, seen } = message;
      const response = pull(server, cursor, seen, 1 + dice.below(4), mutant);
      return { kind: "pulled", response };
    }
    const { row, fresh } = message;
    const cached = fresh || dice.fraction() < 0.5 ? undefined : cache.get(row);
    const response = cached ?? query(server, row);
    cache.set(row, response);
    return { kind: "queried", response };
  }

  function deliver(message: Message): void {
    if (message.to === "server") {
      world.network.push({ to: "tab", from: message.from, record: serve(message) });
      return;
    }
    const { from, record } = message;
    // The tab is gone, and what it asked with it.
    if (!from.alive) return;
    const written = lead(from, record);
    if (written === "useless" && record.kind === "queried")
      doQuery(from, record.response.row, true);
  }

  const leaderOf = (it: Device): Leader =>
    it.leaders.length === 0 ? elect(it) : dice.pick(it.leaders);

  function onNetwork(): void {
    const at = dice.below(world.network.length);
    const message = world.network[at];
    if (message === undefined) return;
    const luck = dice.fraction();
    // Delivered; or delivered and still under way; or lost.
    if (luck < 0.72 || luck >= 0.86) world.network.splice(at, 1);
    if (luck < 0.86) deliver(message);
  }

  const drain = (): void => {
    for (
      let message = world.network.shift();
      message !== undefined;
      message = world.network.shift()
    )
      deliver(message);
  };

  return { append, deliver, drain, doPull, doPush, doQuery, elect, leaderOf, onNetwork };
}
