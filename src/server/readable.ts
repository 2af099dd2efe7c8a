/**
 * What the app gives to be passed on: an id, a refusal, rows. In a log, or remembered as a decision, it is there for good; one
 * that no client can read would hold up all who meet it, so it is looked at before.
 */
import { maxDepth } from "../model/json.ts";
import { type Parsed, parseJson } from "../protocol/index.ts";
import { answerLimits } from "../protocol/json.ts";

/** As it comes out at the other end. `around`: levels of what it stands in. */
export function asRead(value: unknown, around: number): Parsed<unknown> {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    return { issue: { path: "$", reason: String(error) } };
  }
  return parseJson(text ?? "", { ...answerLimits, depth: maxDepth + around });
}

/** Whether a text can say whose an entry is. */
export const isPrincipalId = (id: unknown): id is string =>
  typeof id === "string" && id !== "" && id.length <= 256 && !/\p{Surrogate}/u.test(id);
