/** Live streams: `text/event-stream` as it is written and read. Chunks may end anywhere, also within a character. */
import { decodeLiveEvent } from "./decode.ts";
import { type WireIssue, answerLimits, parseJson } from "./json.ts";
import { type LiveEvent } from "./messages.ts";

/** What a stream gave: an event, or a sign of life, or something that is neither, which is to be ignored. */
export type LiveItem =
  | { readonly kind: "event"; readonly event: LiveEvent }
  | { readonly kind: "comment"; readonly text: string }
  | { readonly kind: "invalid"; readonly name: string; readonly issue: WireIssue };

/** Writes one event. */
export function encodeLiveEvent(event: LiveEvent): string {
  const id = "id" in event && event.id !== undefined ? `id: ${event.id}\n` : "";
  // JSON has no line break outside of strings, and inside they are escaped: one line of data.
  return `event: ${event.event}\n${id}data: ${JSON.stringify(event.data)}\n\n`;
}

/** A sign of life. */
export const heartbeat = ": hb\n\n";

export interface LiveParserOptions {
  /** Longer events are invalid, in characters; so that a server cannot fill the memory. */
  readonly maxLength?: number;
}

/**
 * Reads a stream piece by piece: `push` gives what became complete with a chunk. What the end of the stream cuts off is not
 * an event.
 */
export function createLiveParser({ maxLength = 4 * 1024 * 1024 }: LiveParserOptions = {}): {
  push(chunk: Uint8Array | string): LiveItem[];
} {
  const decoder = new TextDecoder();
  let first = true;
  /** The last chunk ended with CR: an LF that follows belongs to it. */
  let afterCr = false;
  /** The line so far; `cut`: it is too long, and not kept. */
  let line = "";
  let cut = false;
  /** The event so far. */
  let name = "";
  let id: string | undefined;
  let data: string[] = [];
  let length = 0;
  let tooLong = false;

  const finish = (): LiveItem | undefined => {
    const event = name === "" ? "message" : name;
    const message = { event, ...(id === undefined ? {} : { id }) };
    const lines = data;
    const invalid = (issue: WireIssue): LiveItem => ({ kind: "invalid", name: event, issue });
    const skipped = tooLong;
    [name, id, data, length, tooLong] = ["", undefined, [], 0, false];
    if (skipped)
      return invalid({ path: "$", reason: `Expected at most ${maxLength} characters, got more` });
    if (lines.length === 0) return undefined;
    const parsed = parseJson(lines.join("\n"), answerLimits);
    if ("issue" in parsed) return invalid(parsed.issue);
    const decoded = decodeLiveEvent({ ...message, data: parsed.value });
    return "value" in decoded ? { kind: "event", event: decoded.value } : invalid(decoded.issue);
  };

  const take = (text: string): LiveItem | undefined => {
    if (text === "") return finish();
    if (text.startsWith(":")) return { kind: "comment", text: text.slice(1).trim() };
    const colon = text.indexOf(":");
    const field = colon === -1 ? text : text.slice(0, colon);
    const value = colon === -1 ? "" : text.slice(colon + 1).replace(/^ /, "");
    if (field === "event") name = value;
    else if (field === "id") id = value;
    else if (field === "data" && !tooLong) {
      data.push(value);
      length += value.length;
    }
    return undefined;
  };

  return {
    push(chunk) {
      let text = typeof chunk === "string" ? chunk : decoder.decode(chunk, { stream: true });
      if (text === "") return [];
      if (first && text.startsWith("\uFEFF")) text = text.slice(1);
      first = false;
      if (afterCr && text.startsWith("\n")) text = text.slice(1);
      if (text !== "") afterCr = text.endsWith("\r");
      const items: LiveItem[] = [];
      const parts = text.split(/\r\n|\r|\n/);
      for (const [index, part] of parts.entries()) {
        if (length + line.length + part.length > maxLength) {
          [cut, tooLong, line, data] = [true, true, "", []];
        } else if (!cut) line += part;
        if (index === parts.length - 1) break;
        const item = cut ? undefined : take(line);
        [cut, line] = [false, ""];
        if (item !== undefined) items.push(item);
      }
      return items;
    },
  };
}
