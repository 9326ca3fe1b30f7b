/** What the operator does to keep a running node: backups, collecting blobs that nothing names, a new master key. One at a time: what a backup reads must not change meanwhile. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { Guard } from "../operators/index.ts";
import {
  type Blobs,
  type Collected,
  collectGarbage,
  type Database,
  type DataKeys,
  isStoreError,
  type SealedBlobs,
} from "../store/index.ts";
import { writeBackup } from "./backup.ts";
import type { NodeConfig } from "./config.ts";
import type { NodeNetwork } from "./network.ts";
import type { Quiet } from "./quiet.ts";
import { version } from "./version.ts";

type Services = {
  readonly config: NodeConfig;
  readonly network: NodeNetwork;
  readonly database: Database;
  readonly blobs: Blobs;
  readonly keys: DataKeys;
  readonly sealed: SealedBlobs;
  readonly quiet: Quiet;
  readonly log: (message: string) => void;
};

const errorSchema = z.object({ error: z.object({ code: z.string(), message: z.string() }) });
const problem = (description: string) => ({
  content: { "application/json": { schema: errorSchema } },
  description,
});

const routes = {
  backup: createRoute({
    method: "post",
    path: "/v1/backup",
    tags: ["Node"],
    summary:
      "Everything the node owns as one file, as of one moment, while it goes on serving; as the operator",
    description:
      "Sealed with the passphrase. Without one, keys must be left out. Commits wait while the database is copied. The file is whole if its last entry is there: check it with the program.",
    request: {
      body: {
        required: true,
        content: {
          "application/json": {
            schema: z.strictObject({
              passphrase: z.string().min(1).max(1_000).optional(),
              withoutKeys: z.boolean().default(false),
            }),
          },
        },
      },
    },
    responses: {
      200: {
        content: { "application/octet-stream": { schema: z.string().openapi({ format: "binary" }) } },
        description: "The backup",
      },
      400: problem("Keys would go without a passphrase"),
      409: problem("Another one, or a collection, is under way"),
    },
  }),
  collect: createRoute({
    method: "post",
    path: "/v1/blobs/collect",
    tags: ["Node"],
    summary: "Remove blobs that nothing names and that were stored before the grace; as the operator",
    description:
      "A blob is named by its digest anywhere in the database. Commits wait while the database is read.",
    request: {
      body: {
        required: true,
        content: {
          "application/json": {
            schema: z.strictObject({
              dryRun: z.boolean().default(false),
              graceHours: z.number().min(1).max(87_600).default(24),
            }),
          },
        },
      },
    },
    responses: {
      200: {
        content: {
          "application/json": {
            schema: z.object({
              looked: z.int(),
              named: z.int(),
              removed: z.int(),
              removedBytes: z.int(),
              young: z.int(),
              dryRun: z.boolean(),
            }),
          },
        },
        description: "What was found and removed; under dryRun what would be",
      },
      409: problem("Another one, or a backup, is under way"),
    },
  }),
  rotate: createRoute({
    method: "post",
    path: "/v1/blobs/rotate",
    tags: ["Node"],
    summary: "Make a new master key and seal every data key with it; as the operator",
    description:
      "What is encrypted stays as it is. Backups from before open with the old master key, which they hold.",
    responses: {
      200: {
        content: { "application/json": { schema: z.object({ keys: z.int() }) } },
        description: "How many keys are sealed with the new one",
      },
      409: problem("A backup or a collection is under way, or the old master key cannot be read"),
    },
  }),
};

const busy = {
  error: {
    code: "busy",
    message:
      "A backup, a collection or a new master key is under way. Wait until it has ended, then ask again.",
  },
};

export function upkeepRoutes(services: Services, guard: Guard): OpenAPIHono {
  const { config, network, database, blobs, keys, sealed, quiet, log } = services;
  const snapshot = join(config.home, "backup");
  const app = new OpenAPIHono();

  app.openapi({ ...routes.backup, middleware: [guard("backup")] }, async (context) => {
    const { passphrase, withoutKeys } = context.req.valid("json");
    if (!quiet.begin()) return context.json(busy, 409);
    const end = async () => {
      await rm(snapshot, { recursive: true, force: true });
      quiet.end();
    };
    try {
      await rm(snapshot, { recursive: true, force: true });
      const started = performance.now();
      const logBytes = await database.snapshot(snapshot, async () => network.chain.status().logBytes);
      log(`A backup is made; commits waited ${(performance.now() - started).toFixed(0)} ms for its moment.`);
      const pieces = writeBackup(
        {
          ...{ home: config.home, databaseFolder: snapshot, logBytes, blobs, version },
          chainId: network.network.chainId,
        },
        { ...(passphrase === undefined ? {} : { passphrase }), withoutKeys },
      );
      const stream = Readable.from(endingWith(pieces, end), { objectMode: false });
      return context.body(Readable.toWeb(stream) as ReadableStream, 200, {
        "content-type": "application/octet-stream",
      }) as never;
    } catch (error) {
      await end();
      if (!isStoreError(error, "backup-refused")) throw error;
      return context.json({ error: { code: error.code, message: error.message } }, 400);
    }
  });
  app.openapi({ ...routes.collect, middleware: [guard("blobs")] }, async (context) => {
    const { dryRun, graceHours } = context.req.valid("json");
    if (!quiet.begin()) return context.json(busy, 409);
    try {
      const how = { database, graceMs: graceHours * 3_600_000, dryRun };
      // Who it is for goes first: what is encrypted is named by that.
      const encrypted = await collectGarbage({ ...how, blobs: sealed.all });
      const found = inBoth(encrypted, await collectGarbage({ ...how, blobs }), dryRun);
      if (!dryRun && found.removed > 0)
        log(`${found.removed} blobs that nothing names, ${found.removedBytes} bytes, were removed.`);
      return context.json({ ...found, dryRun }, 200);
    } finally {
      quiet.end();
    }
  });
  app.openapi({ ...routes.rotate, middleware: [guard("blobs")] }, async (context) => {
    if (!quiet.begin()) return context.json(busy, 409);
    try {
      const count = await keys.rotate();
      log(`The master key is a new one; ${count} data keys are sealed with it.`);
      return context.json({ keys: count }, 200);
    } catch (error) {
      if (!isStoreError(error, "master-key-missing") && !isStoreError(error, "sealed-wrong-key")) throw error;
      return context.json({ error: { code: error.code, message: error.message } }, 409);
    } finally {
      quiet.end();
    }
  });
  return app;
}

/** Pieces, and what is to be done once they end, fail or are left. */
async function* endingWith<T>(pieces: AsyncIterable<T>, end: () => Promise<void>): AsyncGenerator<T> {
  try {
    yield* pieces;
  } finally {
    await end();
  }
}

/** Encrypted blobs and all blobs: each encrypted one is among those, too, named by what it is for. */
function inBoth(encrypted: Collected, all: Collected, dryRun: boolean): Collected {
  const { removed } = encrypted;
  return {
    looked: all.looked + (dryRun ? 0 : removed),
    named: all.named - (dryRun ? removed : 0),
    removed: all.removed + removed,
    removedBytes: all.removedBytes + encrypted.removedBytes,
    young: all.young,
  };
}
