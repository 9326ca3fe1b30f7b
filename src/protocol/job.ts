import { encodeAbiParameters } from "viem/utils";
import { z } from "zod";
import type { Address, Digest } from "./bytes.ts";
import { bytesDigest, jsonDigest, textDigest } from "./digest.ts";
import { ProtocolError } from "./error.ts";
import { addressSchema, decimalSchema, digestSchema, hashableSchema, uint32Schema } from "./schema.ts";

/**
 * What a payer orders of an operator, whole: what is trained, on what, how, and what it costs. `JobEscrow` holds the payment under its
 * digest. It holds only strings and integers.
 */
export const jobPlanSchema = z.strictObject({
  schema: z.literal("openledger/job/1"),
  /** The job's name at the operator's node, which makes every plan another. */
  id: z.string().min(1).max(64),
  /** The name that the model is asked for by. */
  model: z.string().min(1).max(128),
  /** The base's digest, as `ModelRegistry` has it. */
  baseDigest: digestSchema,
  datanets: z
    .array(z.strictObject({ datanetId: decimalSchema, version: uint32Schema.min(1) }))
    .min(1)
    .max(64),
  /** Fractions are text. */
  recipe: z.record(z.string(), hashableSchema),
  /** The release whose adapter training continues from. */
  continueFrom: digestSchema.nullable(),
  /** Contributors whose rows are left out. */
  exclude: z.array(addressSchema).max(1_000),
  /** JSON digest of the list of the evaluation examples' digests. */
  evaluationDigest: digestSchema,
  price: z.strictObject({ promptWeiPerToken: decimalSchema, completionWeiPerToken: decimalSchema }),
  /** Whether it ends in a release. */
  publish: z.boolean(),
  /** Steps of the optimiser that it takes at most. */
  steps: uint32Schema.min(1),
  /** What it costs, wei. */
  amountWei: decimalSchema,
  /** Until when the operator can be paid, seconds. */
  deadline: z.int().min(1),
});
export type JobPlan = z.output<typeof jobPlanSchema>;

/** @returns the plan's JSON digest: what is paid for */
export const jobDigest = (plan: JobPlan): Digest => jsonDigest(jobPlanSchema.parse(plan));

/**
 * What `JobEscrow` compares a release with before it pays: `keccak256(abi.encode(keccak256(utf8(name)), baseDigest, promptWeiPerToken,
 * completionWeiPerToken, (uint256 datanetId, uint256 version)[]))`; zero for a job that releases nothing.
 */
export function deliverableDigest(
  plan: Pick<JobPlan, "model" | "baseDigest" | "price" | "datanets" | "publish">,
): Digest {
  if (!plan.publish) return `0x${"0".repeat(64)}`;
  return bytesDigest(
    encodeAbiParameters(
      [
        { type: "bytes32" },
        { type: "bytes32" },
        { type: "uint96" },
        { type: "uint96" },
        {
          type: "tuple[]",
          components: [
            { name: "datanetId", type: "uint256" },
            { name: "version", type: "uint256" },
          ],
        },
      ],
      [
        textDigest(plan.model),
        plan.baseDigest,
        BigInt(plan.price.promptWeiPerToken),
        BigInt(plan.price.completionWeiPerToken),
        plan.datanets.map(({ datanetId, version }) => ({
          datanetId: BigInt(datanetId),
          version: BigInt(version),
        })),
      ],
    ),
  );
}

/** The escrow's id, known before it is opened: `keccak256(abi.encode(address payer, address operator, bytes32 jobDigest))`. */
export function escrowId(payer: Address, operator: Address, digest: Digest): Digest {
  return bytesDigest(
    encodeAbiParameters(
      [{ type: "address" }, { type: "address" }, { type: "bytes32" }],
      [payer, operator, digest],
    ),
  );
}

/**
 * How a cancelled job's payment is divided: `⌊amount · done / steps⌋` to the operator, the rest to the payer.
 *
 * @param amount - wei, not negative
 * @throws ProtocolError `out-of-range` unless 0 ≤ done ≤ steps and steps > 0
 *
 * @example
 * stoppedSplit(100n, 1, 3) // { operator: 33n, payer: 67n }
 */
export function stoppedSplit(
  amount: bigint,
  done: number,
  steps: number,
): { readonly operator: bigint; readonly payer: bigint } {
  if (
    amount < 0n ||
    !Number.isSafeInteger(steps) ||
    !Number.isSafeInteger(done) ||
    done < 0 ||
    done > steps ||
    steps < 1
  )
    throw new ProtocolError(
      "out-of-range",
      `An amount is divided by whole steps, of which at most all are done; got ${amount} wei, ${done} of ${steps}.`,
    );
  const operator = (amount * BigInt(done)) / BigInt(steps);
  return { operator, payer: amount - operator };
}
