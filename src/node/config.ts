/** What a node is told: defaults, then the home's `config.json`, then environment variables, then the command line. */
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { devices, precisions } from "../engine/index.ts";
import { modelFolder } from "../modelfactory/index.ts";
import { poolSchema, servingSchema } from "../openlora/index.ts";
import { addressSchema } from "../protocol/index.ts";
import { parseS3Address } from "../store/index.ts";

const wei = z
  .string()
  .regex(/^(0|[1-9][0-9]{0,27})$/, "a decimal number of wei")
  .transform(BigInt);

const configSchema = z.strictObject({
  host: z.string().min(1).default("127.0.0.1"),
  port: z.int().min(0).max(65_535).default(4000),
  /** Folder of the base model, or the id of one pulled into the home; and the name it is served under. */
  baseModel: z.string().min(1).optional(),
  baseName: z.string().min(1).max(64).default("openledger-tiny"),
  chainId: z.int().min(1).max(0x7fff_ffff).default(161_612),
  minTipWei: wei.prefault("1000000000"),
  /** Memory at which the process that executes transactions ends itself; from machine and ceiling unless given. */
  engineMemoryMiB: z.int().min(512).max(1_048_576).optional(),
  /** JSON-RPC requests a second from one address, ten times as many at once; 0: no limit. This machine has none. */
  rpcRequestsPerSecond: z.int().min(0).max(1_000_000).default(100),
  /** How long a batch can be disputed before it pays. */
  settlementWindowSeconds: z
    .int()
    .min(1)
    .max(30 * 86_400)
    .default(2),
  closeTimeoutSeconds: z
    .int()
    .min(1)
    .max(30 * 86_400)
    .default(86_400),
  minimumBondWei: wei.prefault("1000000000000000000"),
  registrationFeeWei: wei.prefault("1000000000000000000"),
  /** What a fine-tuning job costs for a padded token of an epoch, paid in escrow; 0: jobs are free. */
  fineTuneWeiPerToken: wei.prefault("0"),
  /** How long a paid job may take until its payer has everything back. */
  fineTuneDeadlineSeconds: z
    .int()
    .min(60)
    .max(180 * 86_400 - 3_600)
    .default(7 * 86_400),
  /** How often waiting receipts are settled; 0 settles on request only. */
  settleEveryMs: z.int().min(0).max(86_400_000).default(30_000),
  /** Threads of serving. Training takes its recipe's, scoring one. */
  threads: z.int().min(1).max(64).default(2),
  /** What serving holds the base's weights in. Training and scoring are float32 always. */
  precision: z.enum(precisions).default("f32"),
  /** Where serving computes. Training and scoring run on the CPU always: validators compute them again and compare. */
  device: z.enum(devices).default("cpu"),
  /** Answers do not depend on what runs beside them, to the last bit; they come slower. */
  deterministic: z.boolean().default(false),
  /** Rows, ranks, context, queue and memory of serving. */
  serving: servingSchema.prefault({}),
  /** Servers that answer instead of this process. */
  engine: poolSchema.optional(),
  /** `s3://bucket/prefix?endpoint=…&region=…`: blobs lie there, not in the home's `blobs/`. Credentials come from the environment alone. */
  blobs: z
    .string()
    .superRefine((text, context) => {
      try {
        parseS3Address(text);
      } catch (error) {
        context.addIssue({ code: "custom", message: (error as Error).message });
      }
    })
    .optional(),
  /** Web origins by which browsers reach the node, where that is not its own address: `https://node.example`. */
  origins: z
    .array(
      z
        .string()
        .refine((text) => /^https?:/.test(text) && URL.canParse(text) && new URL(text).origin === text, {
          error: 'expected an origin as "https://node.example", without a path',
        }),
    )
    .max(32)
    .default([]),
  /** Addresses beside the node's own whose sessions act in the operator's name. */
  operators: z.array(z.string().toLowerCase().pipe(addressSchema)).max(32).default([]),
  /** Make the explorer's index anew at this start. */
  reindex: z.boolean().default(false),
});

export type NodeConfig = z.output<typeof configSchema> & {
  readonly home: string;
  readonly baseModel: string;
};
export type NodeConfigInput = z.input<typeof configSchema>;

export class ConfigError extends Error {
  override name = "ConfigError";
}

/** The package's own folder: where `models/` and `web/` lie, in a clone and in an installed package alike. */
export const packageFolder = resolve(fileURLToPath(new URL("../..", import.meta.url)));

export const defaultHome = () => process.env.OPENLEDGER_HOME ?? join(homedir(), ".openledger");

/**
 * @param home the data folder
 * @param overrides what the command line says
 * @throws ConfigError naming the field, what it is and what was expected
 */
export function readConfig(home: string, overrides: Partial<NodeConfigInput> = {}): NodeConfig {
  const file = join(home, "config.json");
  let fromFile: object = {};
  if (existsSync(file)) {
    try {
      fromFile = z.record(z.string(), z.unknown()).parse(JSON.parse(readFileSync(file, "utf8")));
    } catch (cause) {
      throw new ConfigError(
        `${file} is not a JSON object: ${(cause as Error).message}. Correct it or remove it.`,
        { cause },
      );
    }
  }
  const environment: Record<string, unknown> = {};
  if (process.env.OPENLEDGER_PORT !== undefined) environment.port = Number(process.env.OPENLEDGER_PORT);
  if (process.env.OPENLEDGER_HOST !== undefined) environment.host = process.env.OPENLEDGER_HOST;
  if (process.env.OPENLEDGER_BASE_MODEL !== undefined)
    environment.baseModel = process.env.OPENLEDGER_BASE_MODEL;
  if (process.env.OPENLEDGER_PRECISION !== undefined)
    environment.precision = process.env.OPENLEDGER_PRECISION;
  if (process.env.OPENLEDGER_DEVICE !== undefined) environment.device = process.env.OPENLEDGER_DEVICE;
  if (process.env.OPENLEDGER_BLOBS !== undefined) environment.blobs = process.env.OPENLEDGER_BLOBS;
  if (process.env.OPENLEDGER_DETERMINISTIC === "1") environment.deterministic = true;
  if (process.env.OPENLEDGER_REINDEX === "1") environment.reindex = true;
  const parsed = configSchema.safeParse({ ...fromFile, ...environment, ...overrides });
  if (!parsed.success)
    throw new ConfigError(
      `The configuration (${file}, OPENLEDGER_* and options) is not valid:\n${z.prettifyError(parsed.error)}`,
    );
  const { engine, precision, device, deterministic } = parsed.data;
  if (engine !== undefined && (precision !== "f32" || device !== "cpu" || deterministic))
    throw new ConfigError(
      `precision is "${precision}", device "${device}" and deterministic ${deterministic}, but engine.servers answer, not this process. Leave them out; servers are started with theirs.`,
    );
  return {
    ...parsed.data,
    home: resolve(home),
    baseModel: modelFolder(
      resolve(home),
      parsed.data.baseModel ?? join(packageFolder, "models", "openledger-tiny"),
    ),
  };
}

/** In the home of a running node: where it listens, for the other commands of the same home. */
export const runningFile = "running.json";

const runningSchema = z.object({ url: z.url(), pid: z.int().positive() });

/** Where the node of this home listens and its process, if one runs or ended without closing. */
export function runningNode(home: string): z.output<typeof runningSchema> | undefined {
  try {
    return runningSchema.parse(JSON.parse(readFileSync(join(home, runningFile), "utf8")));
  } catch {
    return undefined; // no node, or a file cut short: the configuration says where one would listen
  }
}
