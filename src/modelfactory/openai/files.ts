/** Files that applications bring to train on (OpenAI's `/v1/files`): bytes with a name, kept as blobs until they are deleted. */
import { createHash, randomBytes } from "node:crypto";
import { open } from "node:fs/promises";
import { join } from "node:path";
import type { Digest } from "../../protocol/index.ts";
import { type Blobs, type Database, temporaryFolder } from "../../store/index.ts";
import { OpenAIError } from "./errors.ts";
import { readForm } from "./multipart.ts";

export type StoredFile = {
  readonly id: string;
  readonly filename: string;
  readonly purpose: string;
  readonly bytes: number;
  /** Keccak-256 of its bytes. */
  readonly digest: Digest;
  readonly createdAtMs: number;
  readonly expiresAtMs: number | null;
};

export type FilePage = {
  readonly limit: number;
  readonly after?: string | undefined;
  readonly order: "asc" | "desc";
  readonly purpose?: string | undefined;
};

const fieldBytesMax = 4 * 1024;
const filenameMax = 256;
/** OpenAI's bounds on how long a file may be kept. */
const expirySeconds = { min: 3_600, max: 2_592_000 };

const select = `select id, filename, purpose, bytes, digest, created_at_ms as "createdAtMs", expires_at_ms as "expiresAtMs" from modelfactory.files`;

/** A name that the same key always gives, or a random one. */
export const nameOf = (prefix: string, key: string | undefined): string =>
  `${prefix}${(key === undefined ? randomBytes(12) : createHash("sha256").update(key).digest().subarray(0, 12)).toString("hex")}`;

/** @param fileBytesMax the largest file that is taken */
export function createFiles(
  { database, blobs, now }: { database: Database; blobs: Blobs; now: () => number },
  fileBytesMax: number,
) {
  const forgetExpired = () =>
    database.query("delete from modelfactory.files where expires_at_ms <= $1", [now()]);

  /** @throws OpenAIError 404 */
  async function get(id: string): Promise<StoredFile> {
    const [file] = await database.query<StoredFile>(
      `${select} where id = $1 and (expires_at_ms is null or expires_at_ms > $2)`,
      [id, now()],
    );
    if (file === undefined) throw new OpenAIError(404, "not_found", `No such File object: ${id}`, "id");
    return file;
  }

  /** Writes the form's file to `path`. @returns the other fields, and what the file is called */
  async function receive(chunks: AsyncIterable<Uint8Array>, boundary: string, path: string) {
    const fields = new Map<string, Buffer>();
    let filename: string | undefined;
    let field: string | undefined;
    let bytes = 0;
    await using file = await open(path, "wx", 0o600);
    for await (const event of readForm(chunks, boundary)) {
      if ("part" in event) {
        const { name, file: called } = event.part;
        field = name === "file" ? undefined : name;
        if (field !== undefined) fields.set(field, Buffer.alloc(0));
        else if (filename === undefined) filename = called ?? "file";
        else throw new OpenAIError(400, "invalid_form", "The form holds two files; send one.", "file");
        continue;
      }
      if (field === undefined) {
        bytes += event.bytes.length;
        if (bytes > fileBytesMax)
          throw new OpenAIError(
            413,
            "file_too_large",
            `A training file has at most ${fileBytesMax} bytes here; this one has more. Split it, or contribute to a Datanet.`,
            "file",
          );
        await file.writeFile(event.bytes);
      } else {
        const value = Buffer.concat([fields.get(field) as Buffer, event.bytes]);
        if (value.length > fieldBytesMax)
          throw new OpenAIError(
            400,
            "invalid_form",
            `"${field}" is longer than ${fieldBytesMax} bytes.`,
            field,
          );
        fields.set(field, value);
      }
    }
    const text = (name: string) => fields.get(name)?.toString("utf8");
    return { filename, bytes, text };
  }

  return {
    get,
    /**
     * Takes a form with the fields `file`, `purpose` and maybe `expires_after`.
     *
     * @param key the same again is the same file
     * @throws OpenAIError, FormError
     */
    async create(chunks: AsyncIterable<Uint8Array>, boundary: string, key?: string): Promise<StoredFile> {
      await forgetExpired();
      await using folder = await temporaryFolder("upload");
      const path = join(folder.path, "file");
      const { filename, bytes, text } = await receive(chunks, boundary, path);
      const purpose = text("purpose");
      if (filename === undefined)
        throw new OpenAIError(400, "missing_required_parameter", "The form holds no file.", "file");
      if (purpose !== "fine-tune")
        throw new OpenAIError(
          400,
          "invalid_value",
          `Files are kept here for fine-tuning only: expected the purpose "fine-tune", got "${purpose ?? ""}".`,
          "purpose",
        );
      if (bytes === 0) throw new OpenAIError(400, "invalid_value", "The file is empty.", "file");
      const seconds = text("expires_after[seconds]");
      const { min, max } = expirySeconds;
      if (
        seconds !== undefined &&
        !(/^\d{1,9}$/.test(seconds) && Number(seconds) >= min && Number(seconds) <= max)
      )
        throw new OpenAIError(
          400,
          "invalid_value",
          `A file is kept ${min} to ${max} seconds; got "${seconds}".`,
          "expires_after",
        );
      const id = nameOf("file-", key);
      const digest = await blobs.putFile(path);
      const created = now();
      await database.query(
        `insert into modelfactory.files (id, filename, purpose, bytes, digest, created_at_ms, expires_at_ms)
         values ($1, $2, $3, $4, $5, $6, $7) on conflict (id) do nothing`,
        [
          ...[id, filename.slice(0, filenameMax), purpose, bytes, digest, created],
          seconds === undefined ? null : created + Number(seconds) * 1000,
        ],
      );
      const file = await get(id);
      if (file.digest !== digest)
        throw new OpenAIError(
          409,
          "idempotency_conflict",
          `This Idempotency-Key was used for another file, ${id}. Send another key.`,
        );
      return file;
    },
    /** @throws OpenAIError 404: there is no file `after` */
    async list({ limit, after, order, purpose }: FilePage): Promise<StoredFile[]> {
      await forgetExpired();
      const from = after === undefined ? undefined : await get(after);
      return database.query<StoredFile>(
        `${select} where ($2::text is null or purpose = $2)
           and ($3::text is null or (created_at_ms, id) ${order === "asc" ? ">" : "<"} ($4, $3))
         order by created_at_ms ${order}, id ${order} limit $1`,
        [limit, purpose ?? null, from?.id ?? null, from?.createdAtMs ?? 0],
      );
    },
    /** A local file with its bytes. @throws OpenAIError 404 */
    path: async (id: string): Promise<string> => blobs.path((await get(id)).digest),
    /** The file goes; what was trained on it stays in its Datanet, as its releases say. @throws OpenAIError 404 */
    async remove(id: string): Promise<void> {
      await get(id);
      await database.query("delete from modelfactory.files where id = $1", [id]);
    },
  };
}

export type Files = ReturnType<typeof createFiles>;
