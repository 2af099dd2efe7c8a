/** A path as a test that somebody can paste: what was done, line by line, and what must hold. */

const name = /^[A-Za-z_$][\w$]*$/;

/** A value of JSON as it stands in a program. What is not JSON stands as it would be told. */
export function literal(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value !== "object" || value === null)
    return typeof value === "string" ? JSON.stringify(value) : String(value);
  const entries = Object.entries(value).map(([key, it]) => {
    const shown =
      key === "__proto__" ? `["__proto__"]` : name.test(key) ? key : JSON.stringify(key);
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
  const body = [
    `const world = createWorld({ seed: ${literal(seed)} });`,
    apps[server],
    ...(isServed
      ? [`const server = serveApp(world, app${hasRules ? ", options.server" : ""});`]
      : []),
    ...lines,
  ].map((line) => line.replaceAll(/^(?=.)/gm, "  "));
  const uses = (word: string): boolean => body.some((line) => line.includes(word));
  const listed = (...words: readonly string[]): string =>
    words.filter((word) => uses(word.split(" ").at(-1) ?? "")).join(", ");
  return [
    `import { ${[...(uses("expect(") ? ["expect"] : []), "test"].join(", ")} } from "vitest";`,
    `import { ${listed("checkPurity", "converge", "createWorld", "serveApp")} } from "sssync/testing";`,
    `import { ${listed("config", "options")} } from ${literal(module)};`,
    "",
    ...failure.split("\n").map((line) => `// ${line}`),
    `test(${literal(title)}, async () => {`,
    ...body,
    "}, 60_000);",
    "",
  ].join("\n");
}
