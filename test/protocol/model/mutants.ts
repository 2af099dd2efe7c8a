/** Rules of the protocol, each left out in turn: the model has to notice. */

export const mutants = {
  "no-hash": "The server compares the position of a cursor, and not the history that led there.",
  "no-seen": "A pull does not check the cursors of what queries have read.",
  "no-id-check": "A number that was used is answered without a look at the id: a copied profile.",
  "no-id-unique": "Decisions are remembered per client, not per event.",
  "no-gap-check": "Numbers may be left out.",
  "pure-id": "There are no numbers, only ids.",
  "reeval-rejected": "Rejections are not remembered.",
  "ids-die-with-log": "Decisions are forgotten with the entries of the log.",
  "drop-on-ack": "An event leaves the overlay when the push is answered.",
  "trust-ack-pos":
    "An acknowledged event is settled when the cursor passes its position, seen or not.",
  "no-row-gate": "Entries are applied to rows that are newer already.",
  "no-stale-gate": "Answers to queries are taken although the base is newer.",
  "no-cas": "A page is applied wherever the cursor stands.",
  "unfenced-attempt": "A leader whose attempt record is refused sends its numbers all the same.",
  "blind-attempt":
    "The attempt record is written although the log holds commits that the leader has not read.",
  "send-first": "The request is sent before its attempt record is on disk.",
  "ack-under-old-id": "An answer acknowledges an event that has another number by now, or none.",
  "unack-one": "Of a commit whose acknowledgement did not hold, one event is sent again.",
  "split-tx": "A page may end within a commit.",
  "tx-one-by-one": "The events of a commit are decided each for itself.",
} as const satisfies Readonly<Record<string, string>>;

export type Mutant = keyof typeof mutants;
