/**
 * The system's random numbers (`crypto.getRandomValues`).
 *
 * Failure modes: it throws when more than 65,536 bytes are asked for at once. Ids need 16.
 */
import { type RandomPort } from "./ports.ts";

/** Real randomness. */
export const systemRandom: RandomPort = {
  bytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
};
