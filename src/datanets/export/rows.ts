/** A version's rows as files that other programs read: JSON Lines and Parquet, the same columns in both. */
import { parquetWriteBuffer } from "hyparquet-writer";
import type { Address, Digest, Example } from "../../protocol/index.ts";
import type { VersionContent } from "../version.ts";

/** One row. `prompt` and `completion`, or `messages`: what an example has. */
export type ExportRow = {
  readonly split: "train" | "heldout";
  readonly example: Example;
  readonly digest: Digest;
  readonly contributor: Address;
  readonly consent: Digest;
  readonly license: string;
};

/** What a column holds, for people and for Croissant; none of them is ever absent in Parquet, some are null. */
export const exportColumns = {
  split: "train, or heldout: never trained on",
  prompt: "What is given; null where there are messages",
  completion: "What is learned; null where there are messages",
  messages: "A conversation whose last turn is learned, as JSON; null where there is a prompt",
  digest: "Keccak-256 of the example's canonical JSON",
  contributor: "Who gave it, and is paid for it",
  consent: "Digest of the consent it was given under",
  license: "SPDX identifier",
} as const;

/** Training rows, then held-out rows, in the version's order. */
export function exportRows({ manifest, rows, heldout }: VersionContent): ExportRow[] {
  const place = (split: ExportRow["split"]) => (row: VersionContent["heldout"][number]) => ({
    ...{ split, example: row.example, digest: row.exampleDigest, contributor: row.contributor },
    ...{ consent: row.consentDigest, license: manifest.license },
  });
  return [...rows.map(place("train")), ...heldout.map(place("heldout"))];
}

const rowsPerChunk = 1_000;

/** UTF-8, one object a line: the example's own fields first, so that what trains on `messages` or `prompt` and `completion` reads it as it is. */
export function* jsonLines(rows: readonly ExportRow[]): Generator<Uint8Array> {
  for (let from = 0; from < rows.length; from += rowsPerChunk)
    yield Buffer.from(
      rows
        .slice(from, from + rowsPerChunk)
        .map(({ example, ...facts }) => `${JSON.stringify({ ...example, ...facts })}\n`)
        .join(""),
      "utf8",
    );
}

/** Parquet with Snappy, in groups of 10,000 rows; the same rows give the same bytes. */
export function parquet(rows: readonly ExportRow[]): Uint8Array {
  const column = (name: keyof typeof exportColumns, of: (row: ExportRow) => string | null) => ({
    ...{ name, type: "STRING" as const, nullable: ["prompt", "completion", "messages"].includes(name) },
    data: rows.map(of),
  });
  const inPrompt =
    (key: "prompt" | "completion") =>
    ({ example }: ExportRow) =>
      "prompt" in example ? example[key] : null;
  return new Uint8Array(
    parquetWriteBuffer({
      columnData: [
        column("split", ({ split }) => split),
        column("prompt", inPrompt("prompt")),
        column("completion", inPrompt("completion")),
        column("messages", ({ example }) =>
          "messages" in example ? JSON.stringify(example.messages) : null,
        ),
        column("digest", ({ digest }) => digest),
        column("contributor", ({ contributor }) => contributor),
        column("consent", ({ consent }) => consent),
        column("license", ({ license }) => license),
      ],
      rowGroupSize: 10_000,
      createdBy: "openledger",
    }),
  );
}
