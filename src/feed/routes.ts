/** The live stream over HTTP (server-sent events: HTML, section 9.2). */
import type { IncomingMessage } from "node:http";
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { addressOf } from "../chain/index.ts";
import { type Topic, topicMeanings, topics } from "./event.ts";
import { FeedFullError } from "./readers.ts";
import type { Feed } from "./service.ts";

const errorOut = z.object({ error: z.object({ code: z.string(), message: z.string() }) });
const json = (description: string) => ({
  content: { "application/json": { schema: errorOut } },
  description,
});
const retryAfterSeconds = "10";
const topicsText = z
  .string()
  .max(200)
  .transform((text) => text.split(","))
  .pipe(z.array(z.enum(topics)))
  .openapi({ type: "string", example: "answers,batches" });
/** Events' data: these two, and what the kind has. */
const dataOut = z.looseObject({ kind: z.string(), atMs: z.int() }).openapi("FeedEventData");

const route = createRoute({
  method: "get",
  path: "/v1/events",
  tags: ["Events"],
  summary: "What happens in the node, as it happens, as server-sent events",
  description: `Each event is named by its topic and has an id; whoever reconnects with the last one in \`Last-Event-ID\` (browsers do) or \`after\` misses nothing and gets nothing twice. \`ready\` comes first. \`reset\` means that what came after the last id is not kept any more: load what you show again. Topics:\n\n${topics.map((topic) => `- \`${topic}\`: ${topicMeanings[topic]}`).join("\n")}`,
  request: {
    query: z.object({
      topics: topicsText.optional(),
      after: z
        .string()
        .regex(/^\d{1,15}$/, "expected an event's id")
        .optional(),
    }),
  },
  responses: {
    200: {
      content: { "text/event-stream": { schema: dataOut } },
      description: "The stream; it does not end",
    },
    429: json("Too many readers of one address"),
    503: json("Too many readers"),
  },
});

export function feedRoutes(feed: Feed): OpenAPIHono {
  const app = new OpenAPIHono();
  app.openapi(route, (context) => {
    const { topics: wanted, after } = context.req.valid("query");
    const { incoming } = (context.env ?? {}) as { incoming?: IncomingMessage };
    try {
      const stream = feed.open({
        address: addressOf(context.env),
        after: context.req.header("last-event-id") ?? after,
        wanted: wanted === undefined ? undefined : new Set<Topic>(wanted),
        cut: () => incoming?.socket.destroy(),
      });
      return context.body(stream, 200, {
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-store",
        "x-accel-buffering": "no",
      }) as never;
    } catch (error) {
      if (!(error instanceof FeedFullError)) throw error;
      return context.json(
        { error: { code: "too-many-readers", message: error.message } },
        error.own ? 429 : 503,
        {
          "retry-after": retryAfterSeconds,
        },
      );
    }
  });
  return app;
}
