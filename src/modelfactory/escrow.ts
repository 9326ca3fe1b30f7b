/** The contract `JobEscrow`, as who pays for jobs and who does them call it. */
import {
  CallRevertedError,
  type ChainReader,
  type ChainWriter,
  type ProtocolContracts,
} from "../chain/index.ts";
import {
  type Address,
  type Digest,
  deliverableDigest,
  escrowId,
  type JobPlan,
  jobDigest,
  toHex,
} from "../protocol/index.ts";

export type EscrowContracts = Pick<ProtocolContracts, "JobEscrow">;

/** By the contract's numbers. */
export const escrowStates = [
  "none",
  "open",
  "cancelled",
  "succeeded",
  "failed",
  "stopped",
  "refunded",
] as const;
export type EscrowState = (typeof escrowStates)[number];

/** An escrow on chain. Amounts in wei, times in seconds. */
export type Escrow = {
  readonly escrowId: Digest;
  readonly payer: Address;
  readonly operator: Address;
  readonly amount: bigint;
  readonly openedAt: number;
  readonly deadline: number;
  readonly deliverable: Digest;
  readonly steps: number;
  /** Said by the operator. */
  readonly done: number;
  /** 0 unless cancelled. */
  readonly cancelledAt: number;
  readonly state: EscrowState;
};

export const stateName = (state: number): EscrowState => escrowStates[state] ?? "none";

/** @throws what the contract says, where there is no such escrow */
export async function readEscrow(
  { public: chain }: Pick<ChainReader, "public">,
  { JobEscrow }: EscrowContracts,
  id: Digest,
): Promise<Escrow> {
  const found = await chain.readContract({
    ...JobEscrow,
    functionName: "escrowOf",
    args: [id],
    blockTag: "pending",
  });
  return {
    ...found,
    escrowId: id,
    payer: toHex(found.payer),
    operator: toHex(found.operator),
    deliverable: toHex(found.deliverable),
    state: stateName(found.state),
  };
}

/** The call that pays for a plan, to be written by the payer's account; its value is the plan's amount. */
export const openCall = ({ JobEscrow }: EscrowContracts, operator: Address, plan: JobPlan) =>
  ({
    ...JobEscrow,
    functionName: "open",
    args: [operator, jobDigest(plan), deliverableDigest(plan), plan.steps, plan.deadline],
    value: BigInt(plan.amountWei),
  }) as const;

/**
 * Pays for a plan. Who was interrupted calls it again and pays no second time.
 *
 * @param payer its account pays the plan's amount
 * @returns no transaction where the escrow was there already
 * @throws CallRevertedError
 */
export async function openEscrow(
  payer: ChainWriter,
  contracts: EscrowContracts,
  operator: Address,
  plan: JobPlan,
): Promise<{ readonly escrowId: Digest; readonly transactionHash: Digest | null }> {
  const id = escrowId(payer.account.address, operator, jobDigest(plan));
  try {
    const { transactionHash } = await payer.write(openCall(contracts, operator, plan));
    return { escrowId: id, transactionHash };
  } catch (error) {
    if (!(error instanceof CallRevertedError) || error.errorName !== "EscrowExists") throw error;
    return { escrowId: id, transactionHash: null };
  }
}
