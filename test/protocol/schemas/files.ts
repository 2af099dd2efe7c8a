/** The files of `schemas/` as they have to be. */
import { type Schema, breaks } from "./compare.ts";
import { messages, openApi, schemaOf } from "./generate.ts";

interface SchemaFile {
  readonly name: string;
  readonly text: string;
  /** What breaks for peers that were made after the text of another version. */
  breaksAgainst(frozen: string): string[];
}

const textOf = (value: object): string => `${JSON.stringify(value, null, 2)}\n`;

export const files = (): SchemaFile[] => [
  ...Object.entries(messages).map(([name, message]): SchemaFile => {
    const schema = schemaOf(message);
    return {
      name: `${name}.json`,
      text: textOf(schema),
      breaksAgainst: (frozen) =>
        breaks(JSON.parse(frozen) as Schema, schema as Schema, message.direction),
    };
  }),
  { name: "openapi.json", text: textOf(openApi()), breaksAgainst: () => [] },
];
