/**
 * From an application's file to data with an owner: a Datanet of its own, created, contributed to and published by the node's developer,
 * whose signed consent says that it may be trained on. A release made of it names that version like any other, and its rows are paid like
 * any other's.
 */
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import type { Account } from "viem";
import { z } from "zod";
import { DatanetError, type Datanets, rulesSchema } from "../../datanets/index.ts";
import {
  type Digest,
  type Example,
  exampleDigest,
  exampleSchema,
  examplesDigest,
  sameHex,
  signConsent,
  toHex,
} from "../../protocol/index.ts";
import { OpenAIError } from "./errors.ts";
import type { StoredFile } from "./files.ts";

/** Which part of a training file is held out where no validation file comes with it. */
const heldOutPart = 0.1;
/** A pay index tells influence from chance by as many rows, at least. */
const heldOutMin = 20;

/** What a reader of a file's Datanet accepts. */
const readingTerms =
  "This Datanet was made of a file for fine-tuning. Its texts are read to check what was made of them, and for nothing else.";

const textSchema = z.union([
  z.string(),
  z
    .array(z.object({ type: z.literal("text"), text: z.string() }))
    .transform((parts) => parts.map(({ text }) => text).join("")),
]);
/** OpenAI's chat rows: what changes what is learned, and is not read here, is refused by name. */
const chatSchema = z.strictObject({
  messages: z
    .array(
      z.strictObject({
        role: z
          .enum(["system", "developer", "user", "assistant"])
          .transform((role) => (role === "developer" ? "system" : role)),
        content: textSchema,
        weight: z.literal(1, "only weight 1: loss falls on the last message").optional(),
      }),
    )
    .min(1)
    .transform((messages) => messages.map(({ role, content }) => ({ role, content }))),
});

/** @throws OpenAIError naming the line */
async function readRows(path: string, file: StoredFile, param: string): Promise<Example[]> {
  const rows: Example[] = [];
  let number = 0;
  for await (const raw of createInterface({
    input: createReadStream(path, "utf8"),
    crlfDelay: Number.POSITIVE_INFINITY,
  })) {
    number++;
    const line = number === 1 ? raw.replace(/^\uFEFF/, "") : raw;
    if (line.trim() === "") continue;
    const refuse = (what: string) =>
      new OpenAIError(
        400,
        "invalid_training_file",
        `${file.id} (${file.filename}), line ${number}: ${what}`,
        param,
      );
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch (error) {
      throw refuse(`not JSON: ${(error as Error).message}. Expected one object a line (JSON Lines).`);
    }
    const chat = typeof value === "object" && value !== null && "messages" in value;
    const read = chat ? chatSchema.safeParse(value) : exampleSchema.safeParse(value);
    if (!read.success) {
      const [issue] = read.error.issues;
      throw refuse(
        chat
          ? `${issue?.path.map(String).join(".") || "the row"}: ${issue?.message}`
          : 'expected {"messages": […]}, or {"prompt": "…", "completion": "…"}.',
      );
    }
    rows.push(read.data as Example);
  }
  return rows;
}

/** The rows that are held out of a file without a validation file: those with the lowest digests, whatever the file's order. */
function splitRows(rows: readonly Example[], file: StoredFile): { train: Example[]; heldOut: Example[] } {
  const count = Math.max(heldOutMin, Math.ceil(rows.length * heldOutPart));
  if (rows.length < 2 * heldOutMin)
    throw new OpenAIError(
      400,
      "too_few_examples",
      `${file.id} has ${rows.length} rows. Without a validation_file at least ${2 * heldOutMin} are needed: ${heldOutMin} are held out of training, to evaluate by and to tell influence from chance.`,
      "training_file",
    );
  const digests = rows.map((row) => exampleDigest(row));
  const held = new Set(
    [...digests.keys()]
      .sort((a, b) => ((digests[a] as Digest) < (digests[b] as Digest) ? -1 : 1))
      .slice(0, count),
  );
  return { train: rows.filter((_, i) => !held.has(i)), heldOut: rows.filter((_, i) => held.has(i)) };
}

export type TrainingDataParts = {
  readonly datanets: Datanets;
  /** Who creates the Datanet, signs the consent, and is paid for its rows. */
  readonly developer: Account;
  readonly pathOf: (file: StoredFile) => Promise<string>;
};

/**
 * The Datanet version that holds exactly these files' rows; the same files give the same version, also after a crash in the middle.
 *
 * @param license SPDX identifier that the Datanet carries
 * @throws OpenAIError
 */
export async function publishFiles(
  { datanets, developer, pathOf }: TrainingDataParts,
  files: { training: StoredFile; validation: StoredFile | undefined },
  license: string,
): Promise<{ datanetId: string; version: number }> {
  const { training, validation } = files;
  const rows = await readRows(await pathOf(training), training, "training_file");
  const given =
    validation === undefined
      ? splitRows(rows, training)
      : { train: rows, heldOut: await readRows(await pathOf(validation), validation, "validation_file") };
  if (given.train.length === 0)
    throw new OpenAIError(400, "too_few_examples", `${training.id} holds no row.`, "training_file");
  if (given.heldOut.length < heldOutMin)
    throw new OpenAIError(
      400,
      "too_few_examples",
      `${validation?.id} has ${given.heldOut.length} rows; at least ${heldOutMin} are needed to evaluate by and to tell influence from chance.`,
      "validation_file",
    );
  try {
    const { datanetId, versions } = await datanets.create(
      developer,
      {
        name: `Fine-tuning file ${training.digest.slice(2, 14)}`,
        description: `Training file ${training.digest}, ${
          validation === undefined ? "part of it held out" : `validation file ${validation.digest}`
        }. Uploaded to this node's files for fine-tuning.`,
        domain: "fine-tuning",
        license,
      },
      {
        // Whoever uploads a file lets it be trained on; its texts are read by whom the operator admits, and nobody gives rows beside it.
        access: { kind: "request", terms: readingTerms },
        rules: rulesSchema.parse({ contributors: [toHex(developer.address)] }),
      },
    );
    if (versions === 0) {
      await contribute(training, "train", given.train, datanetId);
      await contribute(validation ?? training, "heldout", given.heldOut, datanetId);
      await datanets.publishVersion(datanetId, developer);
    }
    const { rows: published, heldout } = await datanets.getVersion(datanetId, 1);
    const strange = [...published, ...heldout].find((row) => !sameHex(row.contributor, developer.address));
    if (strange !== undefined)
      throw new OpenAIError(
        409,
        "foreign_rows",
        `Somebody else (${strange.contributor}) contributed to Datanet ${datanetId} before it was published: it holds more than these files. Change a row and upload again.`,
        "training_file",
      );
    return { datanetId: datanetId.toString(), version: 1 };
  } catch (error) {
    if (error instanceof DatanetError)
      throw new OpenAIError(
        400,
        "invalid_training_file",
        `${training.id}: ${error.message}`,
        error.code === "unknown-license" ? "metadata" : "training_file",
      );
    throw error;
  }

  async function contribute(
    file: StoredFile,
    split: "train" | "heldout",
    examples: Example[],
    datanetId: bigint,
  ) {
    const consent = {
      datanetId,
      contributor: developer.address,
      examplesDigest: examplesDigest(examples.map((example) => exampleDigest(example))),
      exampleCount: examples.length,
      license,
      // The file's own time, so that a second attempt signs the same.
      signedAt: BigInt(Math.floor(file.createdAtMs / 1000)),
    };
    if (developer.signTypedData === undefined)
      throw new Error(`The account ${developer.address} cannot sign: it has no key here.`);
    const signature = await signConsent(datanets.registry.domain, consent, {
      signTypedData: developer.signTypedData,
    });
    const chunks = (async function* () {
      for (const example of examples) yield Buffer.from(`${JSON.stringify(example)}\n`);
    })();
    try {
      await datanets.contribute({ consent, signature, split, chunks });
    } catch (error) {
      if (!(error instanceof DatanetError && error.code === "consent-replayed")) throw error;
    }
  }
}
