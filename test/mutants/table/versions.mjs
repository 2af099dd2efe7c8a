// @ts-check
/** Versions: migrations of rows, upcasts of events, and older code beside newer. */

/** @import { Mutant } from "../apply.mjs" */

/** @type {readonly Mutant[]} */
export const versions = [
  {
    id: "stopping-tab-decides",
    why: "A tab that stops takes what it wrote in data of newer code for decided, by its own code or in a log that it does not follow.",
    breaks: ["G5"],
    edits: [
      [
        'actions: { type: "unusable", params: { code: "outdated" } }, meta: { tid: "sync.stoppingDataNewer" },',
        'meta: { tid: "sync.stoppingDataNewer" },',
      ],
      [
        'actions: { type: "unusable", params: { code: "outdated" } }, meta: { tid: "sync.stoppingSchemaNewer" },',
        'meta: { tid: "sync.stoppingSchemaNewer" },',
      ],
    ],
    tests: ["engine/outdated.test.ts"],
    named: "while it stops",
  },
  {
    id: "rows-of-unknown-tables-dropped",
    why: "A fold deletes the records of rows whose table this code does not know, and keeps the rows nowhere.",
    breaks: ["G9"],
    edits: [["carried: planned.carried,", "carried: [],"]],
    tests: ["engine/tables.test.ts"],
    named: "table",
  },
  {
    id: "carried-rows-take-a-place",
    why: "A row that comes back from quarantine takes the place of another one where a fold carried it.",
    breaks: ["G6", "G13"],
    edits: [
      [
        "if (table === undefined || (pos === 0 && table.rows.has(id))) continue;",
        "if (table === undefined) continue;",
      ],
    ],
    tests: ["engine/tables.test.ts"],
    named: "G6",
  },
  {
    id: "carried-rows-overtaken",
    why: "A fold carries a row that comes back from quarantine over the one that a base record put there.",
    breaks: ["G6", "G13"],
    edits: [
      [
        "if (pos > 0 || before === undefined) carried.set(",
        "if (pos > -1 || before === undefined) carried.set(",
      ],
    ],
    tests: ["engine/tables.test.ts"],
    named: "G6",
  },
  {
    id: "carried-rows-not-written",
    why: "Carried rows are shown, and no fold writes them where they belong.",
    breaks: ["G6"],
    edits: [["index.note([image]);", ""]],
    tests: ["engine/tables.test.ts"],
    named: "table",
  },
  {
    id: "term-not-raised-with-schema",
    why: "The version is raised alone: an older leader goes on writing.",
    breaks: ["G10"],
    edits: [["const term = before + 1;", "const term = further.size > 0 ? before : before + 1;"]],
    tests: ["engine/outdated.test.ts"],
    named: "G10",
  },
  {
    id: "segment-tag-lost-on-fold",
    why: "A fold says of segments that it does not write that they are of today's version.",
    breaks: ["G6"],
    edits: [
      [
        "({ no, low, count, pos, schema: of })), ]), );",
        "({ no, low, count, pos, schema })), ]), );",
      ],
      [
        "list.map(({ no, low, count, pos, schema }) => ({ no,",
        "list.map(({ no, low, count, pos, schema = index.schema }) => ({ no,",
      ],
    ],
    tests: ["engine/migration.test.ts"],
    named: "dies",
  },
  {
    id: "rows-tagged-as-before",
    why: "A fold writes migrated rows, and says that they are of version 1.",
    breaks: ["G6"],
    edits: [["encodeSegment(rows, positions, index.schema)", "encodeSegment(rows, positions, 1)"]],
    tests: ["engine/migration.test.ts"],
    named: "rows of an older version|segments",
  },
  {
    id: "segment-known-by-number-and-floor",
    why: "A segment that a migration wrote anew is taken for the one that had its number.",
    breaks: ["G13"],
    edits: [
      [
        "a.no === b.no && a.pos === b.pos && a.schema === b.schema",
        "a.no === b.no && a.pos === b.pos",
      ],
    ],
    tests: ["model/fold.test.ts"],
    named: "version",
  },
  {
    id: "images-not-migrated",
    why: "Rows of base records of an older version are taken as rows of today.",
    breaks: ["G6", "G8"],
    edits: [
      [
        "const kept = rowOf(definition, table, row, schema);",
        "const kept = rowOf(definition, table, row, definition.schema);",
      ],
    ],
    tests: ["engine/migration.test.ts"],
    named: "base record",
  },
  {
    id: "untagged-is-of-today",
    why: "Segments that do not say their version are of today's once it is raised.",
    breaks: ["G6"],
    edits: [['meta.untagged === undefined ? [["untagged", meta.schema]] : []', "[]"]],
    tests: ["engine/migration.test.ts"],
    named: "do not say",
  },
  {
    id: "migration-sleeps",
    why: "The leader goes to sleep with rows of an older version left.",
    breaks: ["G6"],
    edits: [['return left > 0 ? "more" : "done";', 'return left > 0 ? "done" : "done";']],
    tests: ["engine/migration.test.ts"],
    named: "rows of an older version",
  },
  {
    id: "migrate-changes-id",
    why: "A migrated row may have another id than its place.",
    breaks: ["G8"],
    edits: [["return migrated.id === id", "return id !== undefined"]],
    tests: ["engine/migration.test.ts"],
    named: "another id",
  },
  {
    id: "migrate-runs-once",
    why: "Nobody notices in development that migrate is not pure.",
    breaks: ["G13"],
    edits: [["return development && differ(", "return !development && differ("]],
    tests: ["engine/migration.test.ts"],
    named: "each time",
  },
  {
    id: "upcast-skipped",
    why: "Logged events of an older version are taken as they are.",
    breaks: ["G5", "G13"],
    edits: [
      ["if (v === version || upcast === undefined)", "if (v <= version || upcast === undefined)"],
    ],
    tests: ["engine/outdated.test.ts"],
    named: "upcast makes of them",
  },
  {
    id: "retry-without-upcast",
    why: "A rejected event of an older version is committed again with its old payload.",
    breaks: ["G5"],
    edits: [["return { name, payload: today.value };", "return { name, payload: whole ?? null };"]],
    tests: ["engine/outdated.test.ts"],
    named: "rejected as they were stored",
  },
  {
    id: "newer-event-understood",
    why: "An event of a newer version is taken for one of today.",
    breaks: ["G12"],
    edits: [["if (v > version) return", "if (v < 0) return"]],
    tests: ["engine/outdated.test.ts"],
    named: "G12",
  },
  {
    id: "old-tab-folds-after-migration",
    why: "A tab of older code that comes to lead does not look which version the data is of.",
    breaks: ["G10", "G6"],
    edits: [
      ['if (picture.meta.schema > shared.schema) return "newer";', ""],
      [
        "decoded.meta.schema !== definition.schema) return [];",
        "decoded.meta.schema < definition.schema) return [];",
      ],
    ],
    tests: ["engine/outdated.test.ts"],
    named: "comes to lead",
  },
  {
    id: "outdated-tab-decides",
    why: "A tab that newer code took over from goes on telling decisions.",
    breaks: ["G5"],
    edits: [["if (closed) return;", ""]],
    tests: ["engine/outdated.test.ts"],
    named: "G5",
  },
  {
    id: "outdated-tab-drops-its-queue",
    why: "A commit that is not written yet when the tab becomes outdated never is.",
    breaks: ["G1"],
    edits: [['{ guard: "hasQueued", target: "persisting", meta: { tid: "commit.next" } },', ""]],
    tests: ["engine/outdated.test.ts"],
    named: "very turn",
  },
  {
    id: "outdated-tab-does-not-reconnect",
    why: "An outdated tab never writes to a new connection what it still has to store.",
    breaks: ["G1"],
    edits: [['if (follower.incarnation !== "") shared.recognised = connection;', ""]],
    tests: ["engine/outdated.test.ts"],
    named: "connection",
  },
];
