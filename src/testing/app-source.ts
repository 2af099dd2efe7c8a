/** A path as a test that somebody can paste: what was done, line by line, and what must hold. */

const name = /^[A-Za-z_$][\w$]*$/;

/** What ends a line for some reader of a program. */
const lineEnds = /\r\n|[\n\r\u2028\u2029]/;

const textOf = (value: string): string =>
  JSON.stringify(value).replaceAll(
    /[\u2028\u2029]/g,
    (end) => `\\u${end.charCodeAt(0).toString(16)}`,
  );

/** A value of JSON, or nearly, as it stands in a program. What is neither stands as it would be told. */
export function literal(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value === "string") return textOf(value);
  if (typeof value === "bigint") return `${value}n`;
  if (Object.is(value, -0)) return "-0";
  if (value instanceof Date) return `new Date(${value.getTime()})`;
  if (typeof value !== "object" || value === null) return String(value);
  const entries = Object.entries(value).map(([key, it]) => {
    const shown = key === "__proto__" ? `["__proto__"]` : name.test(key) ? key : textOf(key);
    return `${shown}: ${literal(it)}`;
  });
  return entries.length === 0 ? "{}" : `{ ${entries.join(", ")} }`;
}

export interface TestSource {
  readonly title: string;
  /** What was wrong. */
  readonly failure: string;
  readonly seed: number;
  /** Where `config` and `options` are. */
  readonly module: string;
  /** `own`: as the configuration says; `added`: it says nothing of one; `left out`: it says something. */
  readonly server: "own" | "added" | "left out" | "none";
  readonly hasRules: boolean;
  /** What was done, and then what must hold. */
  readonly lines: readonly string[];
}

/** The address of a server that the configuration does not name. */
export const addedServer = { url: "/sync/app" } as const;

const apps: Readonly<Record<TestSource["server"], string>> = {
  own: "const app = checkPurity(config);",
  added: `const app = checkPurity({ ...config, server: ${literal(addedServer)} });`,
  "left out": "const { server: _, ...alone } = config;\n  const app = checkPurity(alone);",
  none: "const app = checkPurity(config);",
};

/** Whether code has a word in it, past what strings say. */
const hasWord = (line: string, word: string): boolean =>
  line
    .replaceAll(/"(?:[^"\\]|\\.)*"/g, '""')
    .split(/\W+/)
    .includes(word);

/** Without names that nobody uses: some compilers mind. */
const withoutUnused = (lines: readonly string[]): readonly string[] =>
  lines.map((line, at) => {
    const [start, own] = /^const (\w+) = /.exec(line) ?? [];
    const isUsed = lines.some((it, of) => of !== at && own !== undefined && hasWord(it, own));
    return isUsed || start === undefined ? line : line.slice(start.length);
  });

/** TypeScript, for vitest. */
export function printTest({
  title,
  failure,
  seed,
  module,
  server,
  hasRules,
  lines,
}: TestSource): string {
  const isServed = server === "own" || server === "added";
  const body = withoutUnused([
    `const world = createWorld({ seed: ${literal(seed)} });`,
    apps[server],
    ...(isServed
      ? [`const server = serveApp(world, app${hasRules ? ", options.server" : ""});`]
      : []),
    ...lines,
  ]).map((line) => `  ${line}`);
  const listed = (...words: readonly string[]): string =>
    words.filter((word) => body.some((line) => hasWord(line, word))).join(", ");
  return [
    `import { ${[listed("expect"), "test"].filter((it) => it !== "").join(", ")} } from "vitest";`,
    `import { ${listed("checkPurity", "converge", "createWorld", "serveApp")} } from "sssync/testing";`,
    `import { ${listed("config", "options")} } from ${literal(module)};`,
    "",
    ...failure.split(lineEnds).map((line) => `// ${line}`),
    `test(${literal(title)}, async () => {`,
    ...body,
    "}, 60_000);",
    "",
  ].join("\n");
}
