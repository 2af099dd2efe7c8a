/** JSON Schemas of the messages, and an OpenAPI document of them, for those who write a server in another language. */
import { type JsonSchema, toJsonSchema } from "@valibot/to-json-schema";
import { type GenericSchema } from "valibot";
import {
  allowedHeaders,
  errorBodySchema,
  errorCodes,
  headers,
  infoSchema,
  liveEventSchema,
  logPageSchema,
  protocolVersion,
  pullResponseSchema,
  pushRequestSchema,
  pushResponseSchema,
  snapshotPageSchema,
  statusOf,
  syncResponseSchema,
} from "../../../src/protocol/index.ts";

/** Who writes a message: clients write requests, and servers responses. */
export type Direction = "request" | "response";

interface Message {
  readonly direction: Direction;
  readonly schema: GenericSchema;
}

/** By the name of its file. */
export const messages: Readonly<Record<string, Message>> = {
  "push-request": { direction: "request", schema: pushRequestSchema },
  "push-response": { direction: "response", schema: pushResponseSchema },
  "pull-response": { direction: "response", schema: pullResponseSchema },
  "log-page": { direction: "response", schema: logPageSchema },
  "snapshot-page": { direction: "response", schema: snapshotPageSchema },
  "sync-response": { direction: "response", schema: syncResponseSchema },
  "live-event": { direction: "response", schema: liveEventSchema },
  info: { direction: "response", schema: infoSchema },
  "error-body": { direction: "response", schema: errorBodySchema },
};

/** A row is checked by hand, so that properties of all names are kept: the shape is said here. */
const row: JsonSchema = {
  type: "object",
  properties: { id: { type: "string", minLength: 1, maxLength: 256 } },
  required: ["id"],
};

export const schemaOf = ({ schema, direction }: Message): JsonSchema =>
  toJsonSchema(schema, {
    target: "draft-2020-12",
    typeMode: direction === "request" ? "input" : "output",
    errorMode: "throw",
    overrideSchema: ({ valibotSchema }) => (valibotSchema.type === "custom" ? row : undefined),
  });

const json = (name: string): object => ({
  "application/json": { schema: { $ref: `#/components/schemas/${name}` } },
});
const query = (name: string, description: string): object => ({
  name,
  in: "query",
  description,
  schema: { type: "string" },
});
const own = [
  {
    name: "space",
    in: "path",
    required: true,
    schema: { type: "string", pattern: "^[A-Za-z0-9._~-]{1,128}$" },
  },
  {
    name: headers.protocol,
    in: "header",
    required: true,
    schema: { const: String(protocolVersion) },
  },
  { name: headers.schema, in: "header", schema: { type: "integer", minimum: 1 } },
];
const failures = Object.fromEntries(
  Array.from(new Set(errorCodes.map(statusOf)), (status) => [
    String(status),
    {
      description: errorCodes.filter((code) => statusOf(code) === status).join(", "),
      content: json("error-body"),
    },
  ]),
);
const operation = (summary: string, content: object, more: object = {}): object => ({
  summary,
  parameters: own,
  responses: { "200": { description: "OK", content }, ...failures },
  ...more,
});

/** OpenAPI 3.1, which takes JSON Schema as it is. What it cannot say of live streams stands in `x-sse-itemSchema`. */
export const openApi = (): object => ({
  openapi: "3.1.0",
  info: {
    title: "sssync",
    version: String(protocolVersion),
    description: `The specification is docs/protocol.md. Other origins may send: ${allowedHeaders}.`,
  },
  security: [{ bearer: [] }],
  paths: {
    "/info": { get: operation("What the server is and can do", json("info"), { parameters: [] }) },
    "/{space}/push": {
      post: operation("Asks for decisions on events", json("push-response"), {
        requestBody: { required: true, content: json("push-request") },
      }),
    },
    "/{space}/pull": {
      get: operation("Reads on from a cursor", json("pull-response"), {
        parameters: [
          ...own,
          query("cursor", "where to read on; without it from the beginning, or a snapshot"),
          query("limit", "entries at most"),
          query("seen", "cursors of queries, to be checked as well; may be repeated"),
          query("wait", "seconds to wait for an entry where there is none"),
        ],
      }),
    },
    "/{space}/live": {
      get: operation("Tells of entries as they come", {
        "text/event-stream": {
          schema: { type: "string" },
          "x-sse-itemSchema": { $ref: "#/components/schemas/live-event" },
        },
      }),
    },
    "/{space}/snapshot/{snapshot}": {
      get: operation("Reads another page of a snapshot", json("snapshot-page"), {
        parameters: [
          ...own,
          { name: "snapshot", in: "path", required: true, schema: { type: "string" } },
          query("page", "what `next` of the page before said"),
        ],
      }),
    },
  },
  components: {
    securitySchemes: { bearer: { type: "http", scheme: "bearer" } },
    schemas: Object.fromEntries(
      Object.entries(messages).map(([name, message]) => {
        const { $schema: _, ...schema } = schemaOf(message);
        return [name, schema];
      }),
    ),
  },
});
