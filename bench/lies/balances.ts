/** What everyone has, to the wei: in the wallet, as bond or stake, and credited; and that nothing came from nowhere or went nowhere. */
import { type Abi, type Address, decodeFunctionData } from "viem";
import { type ChainReader, type ProtocolContracts, totalSupplyWei } from "../../src/chain/index.ts";
import type { Digest } from "../../src/protocol/index.ts";

/** wei. */
export type Holdings = {
  readonly wallet: bigint;
  /** In the ledger, or behind releases. */
  readonly bond: bigint;
  readonly credit: bigint;
  /** In a validator's own pool, with what it has earned there. */
  readonly stake: bigint;
  readonly reward: bigint;
  /** Channels' deposits that nobody has settled, so that they are the payer's still. */
  readonly channels: bigint;
};

export type Snapshot = {
  readonly blockNumber: bigint;
  readonly of: ReadonlyMap<Address, Holdings>;
  /** What contracts hold for nobody in the list, wei. */
  readonly held: {
    /** Slashes of stake under appeal. */
    readonly slashes: bigint;
    /** Fees of draws and rounds that were not paid out. */
    readonly fees: bigint;
    /** Settled and not claimed. */
    readonly unclaimed: bigint;
    /** What divisions leave in the pools. */
    readonly rest: bigint;
  };
};

export const sumOf = ({ wallet, bond, credit, stake, reward, channels }: Holdings): bigint =>
  wallet + bond + credit + stake + reward + channels;

export type Listed = {
  /** Every account there is, contracts that only hold money aside. */
  readonly accounts: readonly Address[];
  readonly attesters: readonly Address[];
  readonly channels: readonly { readonly channelId: Digest; readonly payer: Address }[];
  readonly releases: readonly { readonly releaseId: Digest; readonly developer: Address }[];
};

const equal = (what: string, actual: bigint, expected: bigint) => {
  if (actual !== expected)
    throw new Error(`${what}: expected ${expected} wei, got ${actual}, ${actual - expected} more.`);
};

/** @throws Error where any contract holds more or less than what it owes, or any OPEN is not accounted for */
export async function takeSnapshot(
  { public: read }: ChainReader,
  contracts: ProtocolContracts,
  listed: Listed,
): Promise<Snapshot> {
  const { AttributionLedger, OpenStaking, PaymentChannels, Verdicts, Demands, ReleaseVerdicts } = contracts;
  const blockNumber = await read.getBlockNumber({ cacheTime: 0 });
  const at = { blockNumber } as const;
  const balance = (address: Address) => read.getBalance({ address, ...at });

  let [uncollected, unsettled] = [0n, 0n];
  const inChannels = new Map<Address, bigint>();
  for (const { channelId, payer } of listed.channels) {
    const args = [channelId] as const;
    const { deposit, collected } = await read.readContract({
      ...PaymentChannels,
      functionName: "channel",
      args,
      ...at,
    });
    const settled = await read.readContract({ ...AttributionLedger, functionName: "settledOf", args, ...at });
    uncollected += deposit - collected;
    unsettled += collected - settled;
    inChannels.set(payer, (inChannels.get(payer) ?? 0n) + deposit - settled);
  }
  let unclaimed = 0n;
  for (const attester of listed.attesters) {
    const args = [attester] as const;
    const [, , batches] = await read.readContract({
      ...AttributionLedger,
      functionName: "attesterOf",
      args,
      ...at,
    });
    const [claimed] = await read.readContract({
      ...AttributionLedger,
      functionName: "accountOf",
      args,
      ...at,
    });
    if (batches === 0n) continue;
    const last = [attester, batches - 1n] as const;
    const { cumulative } = await read.readContract({
      ...AttributionLedger,
      functionName: "batchOf",
      args: last,
      ...at,
    });
    unclaimed += cumulative - claimed;
  }

  const behind = new Map<Address, bigint>();
  for (const { releaseId, developer } of listed.releases) {
    const args = [releaseId] as const;
    const bond = await read.readContract({ ...ReleaseVerdicts, functionName: "bondOf", args, ...at });
    behind.set(developer, (behind.get(developer) ?? 0n) + bond);
  }
  const of = new Map<Address, Holdings>();
  const sums = { bond: 0n, credit: 0n, stakeCredit: 0n, stake: 0n, reward: 0n, wallet: 0n, releases: 0n };
  for (const account of listed.accounts) {
    const args = [account] as const;
    const [bond] = await read.readContract({ ...AttributionLedger, functionName: "attesterOf", args, ...at });
    const credit = await read.readContract({ ...AttributionLedger, functionName: "creditOf", args, ...at });
    const stakeCredit = await read.readContract({ ...OpenStaking, functionName: "creditOf", args, ...at });
    const verdictCredit = await read.readContract({
      ...ReleaseVerdicts,
      functionName: "creditOf",
      args,
      ...at,
    });
    const position = await read.readContract({
      ...OpenStaking,
      functionName: "positionOf",
      args: [BigInt(account), account],
      ...at,
    });
    const wallet = await balance(account);
    const stake = position.bonded + position.unbonding;
    of.set(account, {
      wallet,
      bond: bond + (behind.get(account) ?? 0n),
      credit: credit + stakeCredit + verdictCredit,
      stake,
      reward: position.reward,
      channels: inChannels.get(account) ?? 0n,
    });
    sums.wallet += wallet;
    sums.bond += bond;
    sums.credit += credit;
    sums.stakeCredit += stakeCredit;
    sums.releases += verdictCredit + (behind.get(account) ?? 0n);
    sums.stake += stake;
    sums.reward += position.reward;
  }

  const number = (functionName: "staked" | "escrowed" | "unclaimed" | "credits") =>
    read.readContract({ ...OpenStaking, functionName, ...at });
  const [staked, slashes, earned, credits] = [
    await number("staked"),
    await number("escrowed"),
    await number("unclaimed"),
    await number("credits"),
  ];
  const ofDraws = await read.readContract({ ...Verdicts, functionName: "feesHeld", ...at });
  const inReleases = await balance(ReleaseVerdicts.address);
  const fees = ofDraws + inReleases - sums.releases;
  const inLedger = await balance(AttributionLedger.address);
  const inStaking = await balance(OpenStaking.address);
  const inPayments = await balance(PaymentChannels.address);
  const inVerdicts = await balance(Verdicts.address);
  equal("channels hold their deposits", inPayments, uncollected);
  equal(
    "the ledger holds bonds, credits and escrow",
    inLedger,
    sums.bond + sums.credit + unsettled + unclaimed,
  );
  equal("the pools hold stake, slashes, rewards and credits", inStaking, staked + slashes + earned + credits);
  equal("the pools' credits are those of the accounts", credits, sums.stakeCredit);
  equal("Verdicts holds fees", inVerdicts, ofDraws);
  equal("Demands holds nothing", await balance(Demands.address), 0n);
  const rest = staked - sums.stake + earned - sums.reward;
  const inContracts = inLedger + inStaking + inPayments + inVerdicts + inReleases;
  equal("all OPEN is there", sums.wallet + inContracts, totalSupplyWei);
  const everyone = [...of.values()].reduce((sum, one) => sum + sumOf(one), 0n);
  equal("what everyone has", everyone + slashes + fees + unclaimed + rest, totalSupplyWei);
  return { blockNumber, of, held: { slashes, fees, unclaimed, rest } };
}

/** What an account spent besides what it did, wei. */
export type Spent = {
  readonly gas: bigint;
  /** Fees sent to open draws and rounds. */
  readonly draws: bigint;
};

const openings = ["audit", "accuse", "open"];

/** Gas and fees of every account over blocks, the first excluded. */
export async function spentBetween(
  { public: read }: ChainReader,
  { Verdicts, ReleaseVerdicts }: Pick<ProtocolContracts, "Verdicts" | "ReleaseVerdicts">,
  first: bigint,
  last: bigint,
): Promise<ReadonlyMap<Address, Spent>> {
  const spent = new Map<Address, { gas: bigint; draws: bigint }>();
  for (let blockNumber = first + 1n; blockNumber <= last; blockNumber++) {
    const { transactions } = await read.getBlock({ blockNumber, includeTransactions: true });
    for (const { hash, from, to, value, input } of transactions) {
      const { gasUsed, effectiveGasPrice, status } = await read.getTransactionReceipt({ hash });
      const key = from.toLowerCase() as Address;
      const one = spent.get(key) ?? { gas: 0n, draws: 0n };
      const judge = [Verdicts, ReleaseVerdicts].find(
        ({ address }) => to?.toLowerCase() === address.toLowerCase(),
      );
      const called = judge && decodeFunctionData({ abi: judge.abi as Abi, data: input }).functionName;
      const opens = status === "success" && called !== undefined && openings.includes(called);
      spent.set(key, { gas: one.gas + gasUsed * effectiveGasPrice, draws: one.draws + (opens ? value : 0n) });
    }
  }
  return spent;
}
