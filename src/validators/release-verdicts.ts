/**
 * The `ReleaseVerdicts` contract as this room reads and writes it: the bond behind a release, the rounds in which everyone with a seat judges
 * its index, ballots. Read as of now, not as of the last block.
 */
import { encodeAbiParameters, keccak256 } from "viem";
import type { ChainReader, ChainWriter, ProtocolContracts } from "../chain/index.ts";
import { type Address, type Digest, toHex } from "../protocol/index.ts";
import type { Shown } from "./record.ts";
import { chainTime } from "./verdicts.ts";

/** The contracts that a release's standing is read from. */
export type ReleaseContracts = Pick<
  ProtocolContracts,
  "ReleaseVerdicts" | "ProtocolParameters" | "ModelRegistry"
>;
type Contract = Pick<ProtocolContracts, "ReleaseVerdicts">;
type Reader = Pick<ChainReader, "public">;

/** How a release stands, in the contract's order. */
const releaseOutcomes = [
  "none",
  "open",
  "no quorum",
  "attested",
  "refuted",
  "executed",
  "overturned",
  "withdrawn",
] as const;
const releaseAnswers = ["none", "right", "wrong"] as const;

export type ReleaseOutcome = (typeof releaseOutcomes)[number];
export type ReleaseAnswer = (typeof releaseAnswers)[number];

/** One round over a release. */
export type ReleaseRound = {
  readonly releaseId: Digest;
  /** From 1. */
  readonly round: number;
  readonly opener: Address;
  /** Seconds. */
  readonly commitEnds: number;
  readonly revealEnds: number;
  /** When a refutation takes the bond; 0 without one. */
  readonly executableAt: number;
  readonly outcome: ReleaseOutcome;
  /** What the quorum found, even if governance overturned it. */
  readonly quorum: ReleaseAnswer;
  /** Stake that judges; that found the index right, and wrong, wei. */
  readonly total: bigint;
  readonly right: bigint;
  readonly wrong: bigint;
  /** What opening it cost, wei. */
  readonly fee: bigint;
};

/** What stands behind a release, and what validators found of it. */
export type ReleaseStanding = {
  readonly releaseId: Digest;
  readonly outcome: ReleaseOutcome;
  readonly attested: boolean;
  /** Whether the network settles only receipts of attested releases. */
  readonly required: boolean;
  readonly bondWei: bigint;
  /** What it takes to open a round. */
  readonly requiredBondWei: bigint;
  readonly feeWei: bigint;
  /** When the owner may take the bond back, seconds; null while the release is not deprecated. */
  readonly withdrawableAt: number | null;
  /** The last round; null before the first. */
  readonly round: ReleaseRound | null;
  /** The chain's time now, seconds. */
  readonly timestamp: number;
};

/** A validator's ballot in a round. A weight of 0: it does not judge. */
export type ReleaseBallot = {
  readonly weight: bigint;
  readonly answer: ReleaseAnswer;
  readonly charged: boolean;
  readonly paid: boolean;
  readonly commitment: Digest;
  /** Of the validator's witness. */
  readonly digest: Digest;
};

/** What a validator commits to. */
export type ReleaseVerdict = {
  readonly releaseId: Digest;
  readonly round: number;
  readonly validator: Address;
  readonly wrong: boolean;
  readonly digest: Digest;
  /** 32 secret bytes. */
  readonly salt: Digest;
};

const now = { blockTag: "pending" } as const;

/** The seed that witnesses are drawn and projected under in a round, as `seedOf` of the contract has it. */
export const witnessSeed = (releaseId: Digest, round: number): Digest =>
  keccak256(encodeAbiParameters([{ type: "bytes32" }, { type: "uint256" }], [releaseId, BigInt(round)]));

/** The seed by which a validator draws the examples that it checks in a round: each has its own. */
export const exampleSeed = (releaseId: Digest, round: number, validator: Address): Digest =>
  keccak256(
    encodeAbiParameters(
      [{ type: "bytes32" }, { type: "uint256" }, { type: "address" }],
      [releaseId, BigInt(round), validator],
    ),
  );

/** What is committed to before anybody shows a verdict, as `commitmentOf` of the contract has it. */
export const releaseCommitment = (
  chainId: number,
  contract: Address,
  { validator, releaseId, round, wrong, digest, salt }: ReleaseVerdict,
): Digest =>
  keccak256(
    encodeAbiParameters(
      [
        { type: "uint256" },
        { type: "address" },
        { type: "address" },
        { type: "bytes32" },
        { type: "uint256" },
        { type: "bool" },
        { type: "bytes32" },
        { type: "bytes32" },
      ],
      [BigInt(chainId), contract, validator, releaseId, BigInt(round), wrong, digest, salt],
    ),
  );

/** A round of a release, from 1; undefined for one that was never opened. */
export async function readReleaseRound(
  { public: read }: Reader,
  { ReleaseVerdicts }: Contract,
  releaseId: Digest,
  round: number,
): Promise<ReleaseRound | undefined> {
  const args = [releaseId, BigInt(round)] as const;
  const found = await read.readContract({ ...ReleaseVerdicts, functionName: "roundOf", args, ...now });
  if (found.outcome === 0) return undefined;
  return {
    releaseId,
    round,
    opener: toHex(found.opener),
    commitEnds: Number(found.commitEnds),
    revealEnds: Number(found.revealEnds),
    executableAt: Number(found.executableAt),
    outcome: releaseOutcomes[found.outcome] ?? "none",
    quorum: releaseAnswers[found.quorum] ?? "none",
    total: found.total,
    right: found.right,
    wrong: found.wrong,
    fee: found.fee,
  };
}

/** The last round of a release; undefined before the first. */
export async function readLastRound(
  chain: Reader,
  contracts: Contract,
  releaseId: Digest,
): Promise<ReleaseRound | undefined> {
  const rounds = await chain.public.readContract({
    ...contracts.ReleaseVerdicts,
    functionName: "roundsOf",
    args: [releaseId],
    ...now,
  });
  return readReleaseRound(chain, contracts, releaseId, Number(rounds));
}

/** How a published release stands. @throws CallRevertedError for a release that was never published */
export async function readReleaseStanding(
  chain: Reader,
  contracts: ReleaseContracts,
  releaseId: Digest,
): Promise<ReleaseStanding> {
  const { ReleaseVerdicts, ProtocolParameters, ModelRegistry } = contracts;
  const args = [releaseId] as const;
  const parameter = (
    functionName: "releaseBondWei" | "demandFeeWei" | "attestationRequired" | "unbondingSeconds",
  ) => chain.public.readContract({ ...ProtocolParameters, functionName, ...now });
  const [bondWei, requiredBondWei, feeWei, required, unbonding, release, round, timestamp] =
    await Promise.all([
      chain.public.readContract({ ...ReleaseVerdicts, functionName: "bondOf", args, ...now }),
      parameter("releaseBondWei"),
      parameter("demandFeeWei"),
      parameter("attestationRequired"),
      parameter("unbondingSeconds"),
      chain.public.readContract({ ...ModelRegistry, functionName: "releaseOf", args, ...now }),
      readLastRound(chain, contracts, releaseId),
      chainTime(chain),
    ]);
  const outcome = round?.outcome ?? "none";
  return {
    releaseId,
    outcome,
    attested: outcome === "attested",
    required: required !== 0n,
    bondWei,
    requiredBondWei,
    feeWei,
    withdrawableAt: release.deprecatedAt === 0 ? null : release.deprecatedAt + Number(unbonding),
    round: round ?? null,
    timestamp,
  };
}

export async function readReleaseBallot(
  { public: read }: Reader,
  { ReleaseVerdicts }: Contract,
  releaseId: Digest,
  round: number,
  validator: Address,
): Promise<ReleaseBallot> {
  const args = [releaseId, BigInt(round), validator] as const;
  const found = await read.readContract({ ...ReleaseVerdicts, functionName: "ballotOf", args, ...now });
  return {
    weight: found.weight,
    answer: releaseAnswers[found.answer] ?? "none",
    charged: found.charged,
    paid: found.paid,
    commitment: toHex(found.commitment),
    digest: toHex(found.digest),
  };
}

/** Puts OPEN behind a release. Only the model's owner: it says with it that the release's data are served. */
export const backRelease = (
  chain: ChainWriter,
  { ReleaseVerdicts }: Contract,
  releaseId: Digest,
  wei: bigint,
) => chain.write({ ...ReleaseVerdicts, functionName: "depositBond", args: [releaseId], value: wei });

/** Takes the bond of a deprecated release back, once `withdrawableAt` has come. Only the model's owner. */
export const withdrawReleaseBond = (chain: ChainWriter, { ReleaseVerdicts }: Contract, releaseId: Digest) =>
  chain.write({ ...ReleaseVerdicts, functionName: "withdrawBond", args: [releaseId] });

/** Opens a round over a release that has its bond, for the governed fee. By anyone. */
export async function openRound(
  chain: ChainWriter,
  { ReleaseVerdicts, ProtocolParameters }: Pick<ProtocolContracts, "ReleaseVerdicts" | "ProtocolParameters">,
  releaseId: Digest,
) {
  const value = await chain.public.readContract({
    ...ProtocolParameters,
    functionName: "demandFeeWei",
    ...now,
  });
  return chain.write({ ...ReleaseVerdicts, functionName: "open", args: [releaseId], value });
}

/** Commits to a verdict in the open round, or to another one. */
export const commitRelease = (
  chain: ChainWriter,
  { ReleaseVerdicts }: Contract,
  releaseId: Digest,
  commitment: Digest,
) => chain.write({ ...ReleaseVerdicts, functionName: "commit", args: [releaseId, commitment] });

/** Reveals the verdict that was committed to. */
export const revealRelease = (
  chain: ChainWriter,
  { ReleaseVerdicts }: Contract,
  {
    releaseId,
    wrong,
    witness,
    salt,
  }: Pick<ReleaseVerdict, "releaseId" | "wrong" | "salt"> & { readonly witness: Uint8Array },
) =>
  chain.write({
    ...ReleaseVerdicts,
    functionName: "reveal",
    args: [releaseId, wrong, toHex(witness), salt],
  });

/** Counts a round whose reveal phase has ended. By anyone. */
export const resolveRound = (chain: ChainWriter, { ReleaseVerdicts }: Contract, releaseId: Digest) =>
  chain.write({ ...ReleaseVerdicts, functionName: "resolve", args: [releaseId] });

/** Takes the bond of a refuted release, after the appeal. By anyone. */
export const executeRefutation = (chain: ChainWriter, { ReleaseVerdicts }: Contract, releaseId: Digest) =>
  chain.write({ ...ReleaseVerdicts, functionName: "execute", args: [releaseId] });

/** Slashes a validator that called a release right, as a quorum did, and showed another witness than who agreed. By anyone. */
export const chargeWitness = (
  chain: ChainWriter,
  { ReleaseVerdicts }: Contract,
  { releaseId, round, validator }: Pick<ReleaseVerdict, "releaseId" | "round" | "validator">,
  shown: Uint8Array,
  agreed: readonly Shown[],
) =>
  chain.write({
    ...ReleaseVerdicts,
    functionName: "chargeWitness",
    args: [
      ...([releaseId, BigInt(round), validator, toHex(shown)] as const),
      agreed.map((one) => one.validator),
      agreed.map((one) => toHex(one.projection)),
    ],
  });

/** What a validator gets or loses by a round: its part of the fee, or a slash for silence or for a verdict against the quorum. By anyone. */
export const closeBallot = (
  chain: ChainWriter,
  { ReleaseVerdicts }: Contract,
  how: "payFee" | "chargeSilence" | "chargeVerdict",
  { releaseId, round, validator }: Pick<ReleaseVerdict, "releaseId" | "round" | "validator">,
) =>
  chain.write({
    ...ReleaseVerdicts,
    functionName: how,
    args: [releaseId, BigInt(round), validator] as const,
  });
