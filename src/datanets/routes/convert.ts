import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { addressOf, createShares } from "../../chain/index.ts";
import { DatanetError } from "../errors.ts";
import { type ConvertOptions, convertOptionsSchema, openConversion } from "../formats/convert.ts";
import { formats } from "../formats/detect.ts";
import { type FormatLimits, formatLimits } from "../formats/limits.ts";
import { errorOut } from "../schemas.ts";

/** Conversions that run at the same time, and those of one subscriber among them. */
const places = { all: 4, ofOne: 2 } as const;

const part = z.string().min(1).max(4_096);

const convertQuery = z.strictObject({
  name: z.string().trim().min(1).max(1_024).openapi({ example: "questions.csv" }),
  format: z.enum(formats).optional(),
  as: z.enum(["chat", "completion"]).optional(),
  prompt: part
    .optional()
    .openapi({ description: "Column, or text with {columns}, that asks", example: "question" }),
  completion: part.optional().openapi({ description: "The same for what is learned", example: "answer" }),
  system: part.optional(),
  characters: z.coerce.number().optional().openapi({ type: "integer", example: 1_000 }),
  overlap: z.coerce.number().optional().openapi({ type: "integer", example: 0 }),
});

const failed = (description: string) => ({
  content: { "application/json": { schema: errorOut } },
  description,
});

const route = createRoute({
  method: "post",
  path: "/v1/datanets/convert",
  tags: ["Datanets"],
  summary: "Make examples of a file: JSON Lines, JSON, CSV, TSV, Parquet, text, Markdown, PDF, DOCX",
  description:
    "The file is the body. The answer is JSON Lines that arrive while the file is read: first `{shape}`, what the file is taken for, " +
    "then a line for each row, `{source, example}` or `{source, refused: {code, message}}`, and `{end: true}` behind the last one. " +
    "Lines with an example can be sent on to preview and contributions as they are, but for `notes`. Nothing is stored.",
  request: {
    query: convertQuery,
    body: {
      required: true,
      content: { "application/octet-stream": { schema: { type: "string", format: "binary" } } },
    },
  },
  responses: {
    200: {
      content: { "application/x-ndjson": { schema: { type: "string" } } },
      description: "Rows as they are read",
    },
    400: failed("The request is not right; the message says why"),
    503: failed("Too many files are being read; ask again"),
  },
});

/**
 * Adds `POST /v1/datanets/convert`: from the bytes of a file to examples, for programs that cannot read it themselves.
 *
 * @param idleMsMax a client that reads nothing for so long loses its place
 */
export function mountConvert(
  app: OpenAPIHono,
  { limits = formatLimits, idleMsMax = 60_000 }: { limits?: FormatLimits; idleMsMax?: number } = {},
): void {
  const shares = createShares(places);
  app.openapi(route, async (context) => {
    const options = optionsOf(context.req.valid("query"));
    const address = addressOf(context.env);
    const place = shares.take(address);
    if (place !== "taken") {
      const message = `${place === "own" ? `${places.ofOne} of your files` : `${places.all} files`} are being read at the moment. Ask again in a moment.`;
      return context.json({ error: { code: "busy", message, details: {} } }, 503);
    }
    const lines = convertedLines(context, options, limits);
    const stream = pulled(lines, idleMsMax, () => shares.give(address));
    return context.body(stream, 200, { "content-type": "application/x-ndjson" }) as never;
  });
}

/** A body that is made as it is read. `ended` is called once, however it ends. */
function pulled(
  pieces: AsyncGenerator<Uint8Array>,
  idleMsMax: number,
  ended: () => void,
): ReadableStream<Uint8Array> {
  let idle: NodeJS.Timeout | undefined;
  let over = false;
  const end = () => {
    clearTimeout(idle);
    if (!over) ended();
    over = true;
  };
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      clearTimeout(idle);
      try {
        const next = await pieces.next();
        if (over) return;
        if (next.done) {
          end();
          controller.close();
          return;
        }
        controller.enqueue(next.value);
        idle = setTimeout(() => {
          end();
          controller.error(new Error("Nobody read on."));
          pieces.return(undefined).catch(() => {});
        }, idleMsMax).unref();
      } catch (error) {
        end();
        controller.error(error);
      }
    },
    async cancel() {
      end();
      await pieces.return(undefined);
    },
  });
}

async function* convertedLines(
  context: Context,
  { name, ...options }: ConvertOptions & { name: string },
  limits: FormatLimits,
): AsyncGenerator<Uint8Array> {
  const chunks = context.req.raw.body ?? (async function* () {})();
  const { shape, batches } = await openConversion({ name, chunks }, options, limits);
  yield line({ shape: shape ?? null });
  for await (const rows of batches) yield Buffer.concat(rows.map(line));
  yield line({ end: true });
}

const line = (value: unknown) => Buffer.from(`${JSON.stringify(value)}\n`, "utf8");

/** @throws DatanetError `malformed-upload` */
function optionsOf({ name, prompt, completion, system, ...given }: z.output<typeof convertQuery>) {
  const mapping = {
    ...(prompt !== undefined && { prompt }),
    ...(completion !== undefined && { completion }),
    ...(system !== undefined && { system }),
  };
  const present = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const parsed = convertOptionsSchema.safeParse(
    Object.keys(mapping).length > 0 ? { ...present, mapping } : present,
  );
  if (parsed.success) return { name, ...parsed.data };
  const [issue] = parsed.error.issues;
  throw new DatanetError(
    "malformed-upload",
    `${issue?.path.join(".") ?? "options"}: ${issue?.message ?? "not valid"}.`,
  );
}
