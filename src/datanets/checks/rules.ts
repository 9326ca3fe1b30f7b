import { z } from "zod";
import { addressSchema } from "../../protocol/index.ts";
import type { Database } from "../../store/index.ts";
import { DatanetError } from "../errors.ts";

/** Checks that refuse a row only where the rules say so; a malformed row and one that is here already are refused anyway. */
export const optionalChecks = [
  "length",
  "language",
  "near-duplicate",
  "personal-data",
  "profanity",
  "license",
  "contamination",
] as const;

const tokens = z.int().min(1).max(1_000_000);

/** What a Datanet asks of its rows, set by its owner. What is left out is the default. */
export const rulesSchema = z
  .strictObject({
    /** The checks that refuse rows; the others write notes. */
    refuse: z
      .array(z.enum(optionalChecks))
      .max(optionalChecks.length)
      .transform((names) => optionalChecks.filter((name) => names.includes(name)))
      .default(["contamination"]),
    /** Languages that rows may be in, ISO 639-1; any by default. */
    languages: z
      .array(z.string().regex(/^[a-z]{2}$/, 'expected a language of two letters, such as "en"'))
      .min(1)
      .max(60)
      .optional(),
    /** Bounds of a row's length in tokens of the base model. */
    minTokens: tokens.optional(),
    maxTokens: tokens.optional(),
    /** Whether personal data is masked before rows are digested and signed. */
    maskPersonalData: z.boolean().default(false),
    /** What a contributor must have staked, wei as a decimal; nothing by default. */
    stakeWei: z
      .string()
      .regex(/^[1-9][0-9]{0,27}$/, "expected a decimal number of wei")
      .optional(),
    /** Whose rows it takes; anybody's by default. */
    contributors: z
      .array(addressSchema)
      .min(1)
      .max(1_000)
      .refine((accounts) => new Set(accounts).size === accounts.length, "an account is named twice")
      .optional(),
  })
  .refine(
    ({ minTokens, maxTokens }) =>
      minTokens === undefined || maxTokens === undefined || minTokens <= maxTokens,
    {
      error: "minTokens is more than maxTokens",
    },
  );

export type Rules = z.infer<typeof rulesSchema>;

/** @throws DatanetError `unknown-datanet`. */
export async function readRules(
  database: Pick<Database, "query">,
  datanetId: bigint,
): Promise<{ rules: Rules; license: string; owner: string }> {
  const [found] = await database.query<{ rules: unknown; license: string; owner: string }>(
    "select rules, license, owner from datanets.datanets where id = $1",
    [datanetId],
  );
  if (found) return { ...found, rules: rulesSchema.parse(found.rules) };
  throw new DatanetError(
    "unknown-datanet",
    `There is no Datanet ${datanetId} here. List the Datanets to find its number.`,
  );
}

/** Rules hold for contributions from now on; rows that are here stay as they were judged. */
export async function writeRules(database: Database, datanetId: bigint, rules: Rules): Promise<void> {
  await database.query("update datanets.datanets set rules = $2::jsonb where id = $1", [
    datanetId,
    JSON.stringify(rules),
  ]);
}
