/** A node as a validator asks it over HTTP: everything it says is checked, and nothing is read without end. */
import { open } from "node:fs/promises";
import { z } from "zod";
import {
  type Address,
  addressSchema,
  bytesDigest,
  type Digest,
  type IndexRow,
  type Manifest,
  manifestSchema,
  maxDimensions,
  releaseId as releaseIdOf,
  toBytes,
  zeroAddress,
} from "../protocol/index.ts";
import { contentFrom } from "../settlement/index.ts";
import { ValidatorError } from "./errors.ts";
import type { EvidenceRequest } from "./evidence.ts";
import type { ReleaseFileName } from "./routes.ts";
import { type Sealed, sealedSchema } from "./sealing.ts";
import type { SignedStatement } from "./statements.ts";

const askMs = 60_000;
const jsonBytesMax = 256 * 2 ** 20;
const fileBytesMax = 512 * 2 ** 20;
/** The largest blob, and 1 MiB a second for it. */
const downloadBytesMax = 2 ** 30;
const downloadMs = 1_024_000;
const rowBytes = z
  .string()
  .max(2 + 4 * maxDimensions)
  .regex(/^0x([0-9a-f]{2})+$/);
const indexSchema = z.object({
  contributors: z.array(addressSchema).max(1 << 20),
  rows: z.array(rowBytes).max(1 << 20),
});

/** A release as a node gives it; the manifest is the one its id names. */
export type SourcedRelease = {
  readonly manifest: Manifest;
  readonly index: readonly IndexRow[];
  readonly files: {
    readonly adapterConfig: Uint8Array;
    readonly adapter: Uint8Array;
    readonly basis: Uint8Array;
  };
};

export type NodeSource = {
  readonly url: string;
  content(attester: string, number: number): Promise<AsyncIterable<Uint8Array> | undefined>;
  /** Manifest, index and files, kept. @throws ValidatorError `bad-node` */
  release(releaseId: Digest): Promise<SourcedRelease>;
  /** One of a release's files. @throws ValidatorError `bad-node`, also where its bytes are not of this digest */
  file(releaseId: Digest, name: ReleaseFileName, digest: Digest): Promise<Uint8Array>;
  /**
   * One of a release's files, up to 1 GiB, into a local one, a piece at a time; its digest is for the caller to check.
   *
   * @throws ValidatorError `bad-node`; what writing throws
   */
  download(releaseId: Digest, name: ReleaseFileName, path: string): Promise<void>;
  evidence(request: EvidenceRequest): Promise<Sealed>;
  publish(signed: SignedStatement): Promise<void>;
  /** Any of the node's JSON, still to be checked. @throws ValidatorError `bad-node` */
  get(path: string): Promise<unknown>;
};

/** @param url of the node's HTTP API, http or https */
export function nodeSource(url: string): NodeSource {
  const base = url.endsWith("/") ? url : `${url}/`;
  const bad = (path: string, why: string, cause?: unknown) =>
    new ValidatorError("bad-node", `${base}${path}: ${why}.`, { cause });

  /** An answer's bytes as they come. */
  async function* stream(
    path: string,
    init: RequestInit,
    most: number,
    ms = askMs,
  ): AsyncGenerator<Uint8Array> {
    const response = await fetch(new URL(path, base), {
      ...init,
      redirect: "error",
      signal: AbortSignal.timeout(ms),
    }).catch((cause: Error) => {
      throw bad(path, `it cannot be reached: ${cause.message}`, cause);
    });
    let length = 0;
    for await (const part of response.body ?? []) {
      if (!response.ok) {
        const said = new TextDecoder().decode(part.subarray(0, 500)).replace(/[^\x20-\x7e]/g, " ");
        throw bad(path, `it answers ${response.status}: ${said}`);
      }
      length += part.length;
      if (length > most) throw bad(path, `it answers with more than ${most} bytes`);
      yield part;
    }
    if (!response.ok) throw bad(path, `it answers ${response.status}`);
  }
  async function ask(path: string, init: RequestInit, most: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    for await (const part of stream(path, init, most)) parts.push(part);
    return new Uint8Array(Buffer.concat(parts));
  }
  const read = (path: string, bytes: Uint8Array): unknown => {
    try {
      return JSON.parse(new TextDecoder().decode(bytes));
    } catch (cause) {
      throw bad(path, "it does not answer with JSON", cause);
    }
  };
  const get = async (path: string) => read(path, await ask(path, {}, jsonBytesMax));
  const post = async (path: string, body: object) =>
    read(
      path,
      await ask(
        path,
        { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) },
        jsonBytesMax,
      ),
    );
  const parsed = <S extends z.ZodType>(schema: S, path: string, value: unknown): z.output<S> => {
    const result = schema.safeParse(value);
    if (result.success) return result.data;
    throw bad(path, `its answer is not right: ${z.prettifyError(result.error).slice(0, 300)}`);
  };
  const named = async (id: Digest, name: ReleaseFileName, digest?: Digest) => {
    const path = `v1/releases/${id}/files/${name}`;
    const bytes = await ask(path, {}, fileBytesMax);
    if (digest !== undefined && bytesDigest(bytes) !== digest)
      throw bad(path, `its bytes are not those that the manifest names, ${digest}`);
    return bytes;
  };

  async function fetchRelease(id: Digest): Promise<SourcedRelease> {
    const path = `v1/releases/${id}`;
    const { manifest } = parsed(z.object({ manifest: manifestSchema }), path, await get(path));
    if (releaseIdOf(manifest) !== id) throw bad(path, `the manifest is that of ${releaseIdOf(manifest)}`);
    const { contributors, rows } = parsed(indexSchema, `${path}/index`, await get(`${path}/index`));
    return {
      manifest,
      index: rows.map((bytes, row) => ({
        row,
        payee: contributors[row] ?? zeroAddress,
        bytes: toBytes(bytes as `0x${string}`),
      })),
      files: {
        adapterConfig: await named(id, "adapter-config"),
        adapter: await named(id, "adapter", manifest.adapter.digest),
        basis: await named(id, "basis", manifest.index.basisDigest),
      },
    };
  }
  const releases = new Map<Digest, Promise<SourcedRelease>>();
  return {
    url: base.slice(0, -1),
    content: (attester, number) => contentFrom(base, attester, number),
    release(id) {
      let found = releases.get(id);
      if (found === undefined) {
        if (releases.size >= 8) releases.delete(releases.keys().next().value as Digest);
        found = fetchRelease(id);
        found.catch(() => releases.delete(id));
        releases.set(id, found);
      }
      return found;
    },
    file: named,
    async download(id, name, path) {
      const file = await open(path, "w");
      try {
        const parts = stream(`v1/releases/${id}/files/${name}`, {}, downloadBytesMax, downloadMs);
        for await (const part of parts) await file.writeFile(part);
      } finally {
        await file.close();
      }
    },
    evidence: async (request) =>
      parsed(sealedSchema, "v1/validators/evidence", await post("v1/validators/evidence", request)),
    publish: async (signed) => {
      await post("v1/validators/statements", signed);
    },
    get,
  };
}

/** Who operates the node, and where its chain's contracts are. */
export const networkSchema = z.object({
  operator: addressSchema,
  network: z.object({
    chainId: z.int().min(1),
    contracts: z.record(
      z.string(),
      z
        .string()
        .regex(/^0x[0-9a-fA-F]{40}$/)
        .transform((address) => address as Address),
    ),
  }),
});
