import { z } from "@hono/zod-openapi";
import type { Address, Hex } from "../protocol/index.ts";
import { checkNames, optionalChecks, rowStatuses, statuses } from "./checks/index.ts";
import type { Datanet } from "./datanet.ts";
import { sourceSchema } from "./formats/source.ts";
import type { VersionSummary } from "./publication.ts";
import type { ContributionReport, RowReport } from "./report.ts";

/** What goes over HTTP: ids are decimal strings, hex is lower-case, times are epoch milliseconds. */

const hexText = (bytes: number, example: string) =>
  z
    .string()
    .regex(new RegExp(`^0x[0-9a-fA-F]{${2 * bytes}}$`), `expected 0x and ${2 * bytes} hex digits`)
    .transform((text) => text.toLowerCase() as Hex)
    .openapi({ type: "string", example });

export const addressText: z.ZodType<Address> = hexText(20, "0x5fbdb2315678afecb367f032d93f642f64180aa3");
export const digestText: z.ZodType<Hex> = hexText(32, `0x${"ab".repeat(32)}`);
export const signatureText: z.ZodType<Hex> = hexText(65, `0x${"ab".repeat(64)}1b`);

/** A number of the chain, in a path or a query. */
export const idText = z
  .string()
  .regex(/^(0|[1-9][0-9]{0,77})$/, "expected a decimal number")
  .transform((text) => BigInt(text))
  .openapi({ type: "string", example: "1" });

/** A whole number in a path or a query, within bounds. */
export const countText = (min: number, max: number, example: string) =>
  z
    .string()
    .regex(/^(0|[1-9][0-9]{0,15})$/, "expected a whole number")
    .transform(Number)
    .pipe(z.number().int().min(min).max(max))
    .openapi({ type: "integer", minimum: min, maximum: max, example: Number(example) });

export const datanetParams = z.object({ datanetId: idText });
export const versionParams = z.object({ datanetId: idText, version: countText(1, 0xffff_ffff, "1") });

export const splitText = z.enum(["train", "heldout"]).openapi("Split");

const idOut = z.string().openapi({ example: "1" });
const hexOut = z.string().openapi({ example: "0xab…" });

export const errorOut = z
  .object({
    error: z.object({
      code: z.string(),
      message: z.string(),
      details: z.record(z.string(), z.union([z.string(), z.number()])),
    }),
  })
  .openapi("Error");

export const licenseOut = z
  .object({
    id: z.string(),
    name: z.string(),
    attribution: z.boolean(),
    commercialUse: z.boolean(),
    shareAlike: z.boolean(),
    derivatives: z.boolean(),
  })
  .openapi("License");

export const datanetOut = z
  .object({
    datanetId: idOut,
    owner: hexOut,
    name: z.string(),
    description: z.string(),
    domain: z.string(),
    license: z.string(),
    cardDigest: hexOut,
    pool: hexOut,
    trainRows: z.number(),
    heldoutRows: z.number(),
    contributors: z.number(),
    versions: z.number(),
    recordedAtMs: z.number(),
  })
  .openapi("Datanet");

export const signingOut = z
  .object({ chainId: z.number(), verifyingContract: hexOut })
  .openapi("SigningDomain", {
    description: "Where consents are signed for (EIP-712 domain OpenLedger, version 1).",
  });

export const exampleOut = z
  .union([
    z.object({
      messages: z.array(z.object({ role: z.enum(["system", "user", "assistant"]), content: z.string() })),
    }),
    z.object({ prompt: z.string(), completion: z.string() }),
  ])
  .openapi("Example");

const verdictOut = z.object({
  status: z.enum(statuses),
  reasons: z.array(
    z.object({
      check: z.enum(checkNames),
      severity: z.enum(["note", "refusal"]),
      message: z.string(),
      details: z.record(z.string(), z.unknown()).optional(),
    }),
  ),
});

/** The same as {@link rulesSchema}, described for OpenAPI. */
export const rulesOut = z
  .object({
    refuse: z.array(z.enum(optionalChecks)),
    languages: z.array(z.string()).optional(),
    minTokens: z.number().optional(),
    maxTokens: z.number().optional(),
    maskPersonalData: z.boolean(),
    stakeWei: z.string().optional(),
    contributors: z.array(hexOut).optional(),
  })
  .openapi("DatanetRules");

export const stakeOut = z
  .object({ contributor: hexOut, neededWei: z.string(), bondedWei: z.string(), mayContribute: z.boolean() })
  .openapi("ContributorStake");

export const previewOut = z
  .object({
    datanetId: idOut,
    license: z.string(),
    examplesDigest: hexOut,
    exampleCount: z.number(),
    signing: signingOut,
    mask: z.boolean(),
    comparedWith: z.enum(["datanet", "upload"]),
    rows: z.array(
      verdictOut.extend({
        status: z.enum([...statuses, "pending"]),
        line: z.number(),
        digest: hexOut,
        duplicate: z.boolean(),
        source: sourceSchema.optional(),
        masked: exampleOut.optional(),
      }),
    ),
  })
  .openapi("Preview");

const referenceOut = z.object({ contributionId: z.number(), contributor: hexOut, line: z.number() });

export const reportOut = z
  .object({
    contributionId: z.number(),
    datanetId: idOut,
    contributor: hexOut,
    split: splitText,
    license: z.string(),
    consentDigest: hexOut,
    exampleCount: z.number(),
    accepted: z.number(),
    duplicates: z.number(),
    pending: z.number(),
    rejected: z.number(),
    refused: z.number().openapi({ description: "Rows that the rules keep out, near duplicates among them" }),
    nearDuplicates: z.number(),
    proposed: z.number(),
    noted: z.number(),
    withdrawn: z
      .number()
      .openapi({ description: "Taken back, or exchanged for a curator's text: in no other count" }),
    sourceLicense: z.string().nullable(),
    rows: z.array(
      verdictOut.extend({
        status: z.enum(rowStatuses),
        line: z.number(),
        digest: hexOut.optional().openapi({
          description:
            "As source, example, proposals and what exactly was found, for who may read the Datanet's texts, and who gave the rows",
        }),
        source: sourceSchema.optional(),
        reviews: z
          .array(
            z.object({
              decision: z.enum(["accept", "reject"]),
              reason: z.string(),
              proposal: exampleOut.optional(),
            }),
          )
          .optional(),
        example: exampleOut.optional(),
        duplicateOf: referenceOut.optional(),
        nearOf: referenceOut.optional(),
        withdrawnAtMs: z.number().optional(),
      }),
    ),
  })
  .openapi("ContributionReport");

export const versionOut = z
  .object({
    datanetId: idOut,
    version: z.number(),
    root: hexOut,
    count: z.number(),
    heldoutCount: z.number(),
    license: z.string(),
    manifestDigest: hexOut,
    transactionHash: hexOut.nullable(),
    recordedAtMs: z.number(),
  })
  .openapi("DatanetVersion");

export const versionRowsOut = z
  .object({
    datanetId: idOut,
    version: z.number(),
    split: splitText,
    root: hexOut,
    total: z.number(),
    rows: z.array(
      z.object({
        index: z.number(),
        digest: hexOut,
        contributor: hexOut,
        consentDigest: hexOut,
        licenseDigest: hexOut.optional(),
        example: exampleOut,
        proof: z.array(hexOut).optional(),
      }),
    ),
  })
  .openapi("DatanetVersionRows");

export const nextVersionOut = z
  .object({
    datanetId: idOut,
    version: z.number(),
    license: z.string(),
    count: z.number(),
    heldoutCount: z.number(),
    contributors: z.number(),
    added: z.number(),
    removed: z.number(),
    pending: z.number(),
    cost: z.object({ gas: z.string(), feeWei: z.string() }).nullable(),
  })
  .openapi("NextVersion");

export const histogramsOut = z
  .object({
    datanetId: idOut,
    version: z.number(),
    split: splitText,
    total: z.number(),
    looked: z.number(),
    tokens: z.array(z.object({ from: z.number(), to: z.number().nullable(), rows: z.number() })),
    languages: z.array(z.object({ language: z.string().nullable(), rows: z.number() })),
    contributors: z.array(z.object({ contributor: hexOut, rows: z.number() })),
    contributorCount: z.number(),
    withdrawn: z.number(),
  })
  .openapi("VersionHistograms");

export const withdrawalOut = z
  .object({ datanetId: idOut, contributor: hexOut, withdrawn: z.number() })
  .openapi("WithdrawalReport");

export const withdrawnRowsOut = z
  .object({
    total: z.number(),
    rows: z.array(
      z.object({ digest: hexOut, contributor: hexOut, split: splitText, withdrawnAtMs: z.number() }),
    ),
  })
  .openapi("WithdrawnRows");

export const versionDiffOut = z
  .object({
    datanetId: idOut,
    from: z.number(),
    to: z.number(),
    added: z.number(),
    removed: z.number(),
    kept: z.number(),
    rows: z.array(
      z.object({
        change: z.enum(["added", "removed"]),
        split: splitText,
        digest: hexOut,
        contributor: hexOut,
        example: exampleOut,
      }),
    ),
  })
  .openapi("VersionDiff");

export function datanetJson(datanet: Datanet): z.input<typeof datanetOut> {
  return { ...datanet, datanetId: datanet.datanetId.toString() };
}

/** Reasons as they go out, not as they are kept. */
export const reasonsJson = ({ reasons }: Pick<RowReport, "reasons">) =>
  reasons.map(({ details, ...reason }) => ({ ...reason, ...(details && { details: { ...details } }) }));

const untold = "What was found is told to who gave the row, and to who may read the Datanet's texts.";

/**
 * @param texts whether whoever asks may read these rows; without it, nothing goes out that says what stands in one, or by which a guess at it could be
 *   checked: verdicts do, and what curators decided
 */
export function reportJson(
  report: ContributionReport,
  { texts }: { readonly texts: boolean },
): z.input<typeof reportOut> {
  const rows = report.rows.map(({ reviews, example, digest, source, ...row }: RowReport) => ({
    ...row,
    ...(texts && { digest, ...(source && { source }), ...(example && { example }) }),
    reasons: texts
      ? reasonsJson(row)
      : row.reasons.map(({ check, severity }) => ({ check, severity, message: untold })),
    ...(reviews && {
      reviews: reviews.map(({ proposal, ...said }) => ({ ...said, ...(texts && proposal && { proposal }) })),
    }),
  }));
  return { ...report, datanetId: report.datanetId.toString(), rows };
}

export function versionJson(summary: VersionSummary): z.input<typeof versionOut> {
  const {
    datanetId,
    version,
    root,
    count,
    heldoutCount,
    license,
    manifestDigest,
    transactionHash,
    recordedAtMs,
  } = summary;
  return {
    datanetId: datanetId.toString(),
    version,
    root,
    count,
    heldoutCount,
    license,
    manifestDigest,
    transactionHash,
    recordedAtMs,
  };
}
