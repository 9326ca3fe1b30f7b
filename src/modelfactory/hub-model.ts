/** A model of a hub in this program's words: its id, the files that are wanted of it, and the pull that pins them. */
import { createHash, type Hash } from "node:crypto";
import { z } from "zod";
import { HubError } from "./errors.ts";
import type { Hub } from "./hub-http.ts";

const part = /^[A-Za-z0-9](?!.*(?:--|\.\.))[\w.-]{0,95}$/;

/** `organisation/name`, as hubs write it; never a path. */
export const hubIdSchema = z
  .string()
  .refine(
    (text) => text.split("/").length === 2 && text.split("/").every((word) => part.test(word)),
    "expected organisation/name",
  );

/** A branch, a tag or a commit. */
export const revisionSchema = z
  .string()
  .regex(/^(?!.*\.\.)\w[\w./-]{0,199}$/, "expected a branch, a tag or a commit");
export const commitSchema = z.string().regex(/^[0-9a-f]{40}$/, "expected the 40 digits of a commit");

/** Files that are taken where they are there; never code, never pickles. */
export const plainFiles = [
  "config.json",
  "generation_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "chat_template.jinja",
  "special_tokens_map.json",
  "modules.json",
  "1_Pooling/config.json",
  "LICENSE",
  "README.md",
];
export const weightIndex = "model.safetensors.index.json";
const weightBytesMax = 2 ** 43;

const nameSchema = z
  .string()
  .refine(
    (name) => plainFiles.includes(name) || name === weightIndex || /^\w[\w.-]*\.safetensors$/.test(name),
    "expected a file of a model folder",
  );

/** A file as it must be once it is here. */
export const fileSchema = z.strictObject({
  name: nameSchema,
  /** In bytes. */
  size: z.int().min(0).max(weightBytesMax),
  digest: z.discriminatedUnion("algorithm", [
    z.strictObject({ algorithm: z.literal("sha256"), hex: z.string().regex(/^[0-9a-f]{64}$/) }),
    /** SHA-1 of "blob <size>\0" and the bytes: git's name of a file that is kept in git itself. */
    z.strictObject({ algorithm: z.literal("git"), hex: z.string().regex(/^[0-9a-f]{40}$/) }),
  ]),
});
export type HubFile = z.infer<typeof fileSchema>;

/** What is pulled: decided once, at the start, so that an interrupted pull goes on with the same bytes. Kept as `pull.json`. */
export const pullSchema = z.strictObject({
  format: z.literal(1),
  id: hubIdSchema,
  endpoint: z.string().max(2048),
  /** As it was asked for. */
  revision: revisionSchema,
  /** What that was at the start. */
  commit: commitSchema,
  /** config.json first, weights last. */
  files: z.array(fileSchema).min(1).max(1100),
});
export type Pull = z.infer<typeof pullSchema>;

/** The hash under which a hub lists a file, before its first byte. */
export const hashOf = ({ digest, size }: HubFile): Hash =>
  digest.algorithm === "sha256" ? createHash("sha256") : createHash("sha1").update(`blob ${size}\0`);

/** Where a file of a pinned commit lies. */
export const fileUrl = (hub: Hub, { id, commit }: Pick<Pull, "id" | "commit">, name: string): string =>
  `${hub.endpoint}/${id}/resolve/${commit}/${name.split("/").map(encodeURIComponent).join("/")}`;

/** A file that is not what the listing promised. */
export const corrupt = (id: string, { name, digest }: HubFile, actual: string) =>
  new HubError("corrupt", `${name} of ${id} is not the file that the hub lists. It is deleted.`, {
    expected: `${digest.algorithm === "sha256" ? "SHA-256" : "git SHA-1"} ${digest.hex}`,
    actual,
    fix: ["pull again; if it comes back, the hub or what stands between is damaged"],
  });
