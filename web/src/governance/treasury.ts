/** Where the treasury's OPEN came from and went, from events and what it holds. Amounts in wei. */
import type { Hex } from "viem";
import { blockTimeMs, type ChainView, chainView, everyEvent, now } from "../chain/view.ts";
import { tell } from "./calls.ts";

const sum = (amounts: readonly bigint[]) => amounts.reduce((total, wei) => total + wei, 0n);

/** What came in by each way that leaves an event. */
async function readIncome(chain: ChainView) {
  const { AttributionLedger, OpenStaking, OpenTimelock } = chain.at;
  const treasury = OpenTimelock.address;
  const { everyAbi } = await import("../chain/every.ts");
  const vestings = ["CommunityVesting", "EcosystemVesting"]
    .map((name) => chain.contracts[name])
    .filter((address) => address !== undefined);
  const [claimed, credits, fromStaking, released] = await Promise.all([
    everyEvent(chain, (range) =>
      chain.public.getContractEvents({
        ...AttributionLedger,
        eventName: "Claimed",
        args: { payee: treasury },
        strict: true,
        ...range,
      }),
    ),
    everyEvent(chain, (range) =>
      chain.public.getContractEvents({
        ...AttributionLedger,
        eventName: "CreditWithdrawn",
        args: { account: treasury },
        strict: true,
        ...range,
      }),
    ),
    everyEvent(chain, (range) =>
      chain.public.getContractEvents({
        ...OpenStaking,
        eventName: "CreditWithdrawn",
        args: { account: treasury },
        strict: true,
        ...range,
      }),
    ),
    everyEvent(chain, (range) =>
      chain.public.getContractEvents({
        address: vestings,
        abi: everyAbi.CommunityVesting ?? [],
        eventName: "Released",
        strict: true,
        ...range,
      }),
    ),
  ]);
  return [
    { name: "The treasury's part of fees", wei: sum(claimed.map(({ args }) => args.amount)) },
    {
      name: "Slashes, and rewards without stakers",
      wei: sum([...credits, ...fromStaking].map(({ args }) => args.amount)),
    },
    {
      name: "Released to community and ecosystem",
      wei: sum(released.map(({ args }) => (args as { amount: bigint }).amount)),
    },
  ];
}

/** What governance paid out, the newest first. */
async function readSpending(chain: ChainView) {
  const events = await everyEvent(chain, (range) =>
    chain.public.getContractEvents({
      ...chain.at.OpenTimelock,
      eventName: "CallExecuted",
      strict: true,
      ...range,
    }),
  );
  const paid = events.filter(({ args }) => args.value > 0n).reverse();
  return Promise.all(
    paid.map(async ({ args, blockNumber, transactionHash }) => ({
      what: (await tell(chain, { target: args.target, valueWei: args.value, data: args.data })).text,
      to: args.target,
      wei: args.value,
      atMs: await blockTimeMs(chain, blockNumber),
      transactionHash: transactionHash as Hex,
    })),
  );
}

const unreleasedAbi = [
  {
    type: "function",
    name: "unreleased",
    inputs: [],
    outputs: [{ type: "uint256" }],
    stateMutability: "view",
  },
] as const;

/** The treasury: what it holds, what came in by which way, what went out, and what is not released to it yet. */
export async function readTreasury() {
  const chain = await chainView();
  const { OpenTimelock, OpenGovernor } = chain.at;
  const vestings = ["CommunityVesting", "EcosystemVesting"].flatMap((name) => chain.contracts[name] ?? []);
  const [heldWei, income, spending, votableWei, unreleased] = await Promise.all([
    chain.public.getBalance({ address: OpenTimelock.address }),
    readIncome(chain),
    readSpending(chain),
    chain.public.readContract({ ...OpenGovernor, functionName: "votable", ...now }),
    Promise.all(
      vestings.map((address) =>
        chain.public.readContract({ address, abi: unreleasedAbi, functionName: "unreleased", ...now }),
      ),
    ),
  ]);
  const spentWei = sum(spending.map(({ wei }) => wei));
  // Tips and registration fees come in without an event that names the treasury: they are what the balance holds beyond the rest.
  const restWei = heldWei + spentWei - sum(income.map(({ wei }) => wei));
  return {
    address: OpenTimelock.address,
    heldWei,
    spentWei,
    votableWei,
    unreleasedWei: sum(unreleased),
    income: [
      ...income,
      { name: "Registration fees, tips of blocks, what was sent", wei: restWei > 0n ? restWei : 0n },
    ],
    spending,
  };
}

export type Treasury = Awaited<ReturnType<typeof readTreasury>>;
