/** A pool of servers as its operator describes it. */
import { z } from "zod";
import { openLoraOptionsSchema } from "./options.ts";

/** Why a text is no address of a server, if it is none. */
function urlFault(text: string): string | undefined {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return "expected an address such as http://127.0.0.1:8000";
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") return "expected http or https";
  if (url.username !== "" || url.password !== "") return "write the key in apiKey, not in the address";
  if (url.search !== "" || url.hash !== "") return "expected no query and no fragment";
  if (/\/v1\/?$/.test(url.pathname)) return "leave /v1 out: it is added";
  return undefined;
}

const poolServerSchema = z.strictObject({
  /** Where it listens, without `/v1`. */
  url: z.string().superRefine((text, context) => {
    const fault = urlFault(text);
    if (fault !== undefined) context.addIssue({ code: "custom", message: fault });
  }),
  apiKey: z
    .string()
    .min(1)
    .max(4_096)
    .regex(/^[\x21-\x7e]+$/, "expected visible ASCII")
    .optional(),
  /** What the server calls the base model; left out, the base's own name. */
  model: z.string().min(1).max(256).optional(),
});

/** One server of a pool. */
export type PoolServer = z.infer<typeof poolServerSchema>;

export const poolServersSchema = z
  .array(poolServerSchema)
  .min(1)
  .max(256)
  .refine(
    (servers) => new Set(servers.map(({ url }) => URL.parse(url)?.href ?? url)).size === servers.length,
    "expected every server once",
  );

const { modules, rank, contextTokens, defaultMaxTokens, maxQueue, maxQueuePerTenant } =
  openLoraOptionsSchema.shape;

export const poolOptionsSchema = z.strictObject({
  ...{ modules, rank, contextTokens, defaultMaxTokens, maxQueue, maxQueuePerTenant },
  /** Answers that each server is asked for at once. */
  maxRows: openLoraOptionsSchema.shape.maxRows,
  /** Adapters that each server has loaded at once; beyond that the one unused longest is unloaded. */
  slots: z.int().min(1).max(4_096).default(16),
  /** Requests that may overtake one whose adapter finds no slot, before all others wait for it. */
  patience: z.int().min(0).default(16),
  adapterLoadTimeoutMs: openLoraOptionsSchema.shape.adapterLoadTimeoutMs,
  /** Answers under way by which an adapter's own server may be ahead of the least busy one before others take its requests. */
  spillRows: z.int().min(1).max(1_024).default(4),
  healthIntervalMs: z.int().min(10).max(3_600_000).default(5_000),
  healthTimeoutMs: z.int().min(10).max(600_000).default(2_000),
  /** Failures in a row that put a server out, and checks passed in a row that take it in again. */
  downAfter: z.int().min(1).max(100).default(2),
  upAfter: z.int().min(1).max(100).default(2),
  /** Longest time without a token before a server's answer counts as failed. */
  stallTimeoutMs: z.int().min(10).max(3_600_000).default(60_000),
});

/** A pool as a configuration file writes it: servers and options side by side. */
export const poolSchema = z.strictObject({
  servers: poolServersSchema,
  /** Where adapters are written for the servers to read. */
  adapterFolder: z.string().min(1).optional(),
  ...poolOptionsSchema.omit({ defaultMaxTokens: true }).shape,
});

/** Options as a caller writes them. */
export type PoolOptions = z.input<typeof poolOptionsSchema>;

/** Options with everything decided. */
export type PoolLimits = z.infer<typeof poolOptionsSchema>;
