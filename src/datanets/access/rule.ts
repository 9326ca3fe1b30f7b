/** Who may read a Datanet's texts. */
import { z } from "zod";
import { addressSchema, type Digest, decimalSchema, textDigest, zeroDigest } from "../../protocol/index.ts";

const termsSchema = z.string().trim().min(1).max(20_000);

export const accessRuleSchema = z.discriminatedUnion("kind", [
  /** Everybody; what the licence says holds. */
  z.strictObject({ kind: z.literal("public") }),
  /** Whom the owner admits. */
  z.strictObject({ kind: z.literal("request"), terms: termsSchema }),
  /** Who holds at least so much of a token when asking: base units of an ERC-20, or a number of ERC-721. */
  z.strictObject({
    kind: z.literal("token"),
    terms: termsSchema,
    contract: addressSchema,
    least: decimalSchema.refine((text) => text !== "0", "expected at least 1"),
  }),
]);

export type AccessRule = z.output<typeof accessRuleSchema>;

/** What a reader signs that they accept. */
export const termsDigest = (rule: AccessRule): Digest =>
  rule.kind === "public" ? zeroDigest : textDigest(rule.terms);
