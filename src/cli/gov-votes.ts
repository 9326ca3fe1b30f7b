/** `openledger gov lock|unlock|delegate|votes`: how OPEN becomes a vote. */
import type { Command } from "commander";
import type { Address } from "viem";
import { delegationData } from "../node/index.ts";
import { toHex, zeroAddress } from "../protocol/index.ts";
import { formatOpen, parsePositiveOpen } from "./amount.ts";
import { connect } from "./http.ts";
import type { Io } from "./io.ts";
import { type ChainView, now, openChain, openPurse, transact } from "./purse.ts";
import { subcommand } from "./subcommand.ts";
import { pairs } from "./table.ts";
import { addressArgument, asOption, knownAddress, withAccount } from "./wallet-account.ts";

export function defineVotes(command: Command, io: Io): void {
  withAccount(subcommand(command, "lock", "Turn OPEN into GOPEN, which votes once it is delegated"))
    .argument("<amount>", "how much OPEN; it can be unlocked at any time", parsePositiveOpen)
    .action((wei: bigint, { as }: { as: string }) => lock(io, wei, as));
  withAccount(subcommand(command, "unlock", "Turn GOPEN back into OPEN"))
    .argument("<amount>", "how much GOPEN", parsePositiveOpen)
    .action((wei: bigint, { as }: { as: string }) => unlock(io, wei, as));
  withAccount(subcommand(command, "delegate", "Say who votes with your GOPEN: you, unless you name another"))
    .argument("[address]", "who votes", addressArgument)
    .option("--relay", "sign here and let the node send it, so that no OPEN is needed for gas")
    .action((to: Address | undefined, { as, relay = false }: { as: string; relay?: boolean }) =>
      relay ? relayDelegation(io, to, as) : delegate(io, to, as),
    );
  withAccount(subcommand(command, "votes", "Show how many votes an account has, and what they come from"))
    .argument("[address]", "whose; your own unless given", addressArgument)
    .action((address: Address | undefined, { as }: { as: string }) => votes(io, address, as));
}

/** An account's votes as of now, wei. */
export async function readVotes(chain: ChainView, address: Address) {
  const { GOPEN, OpenGovernor } = chain.contracts;
  const { timestamp } = await chain.public.getBlock(now);
  const [lockedWei, delegatee, delegatedWei, votesWei, thresholdWei] = await Promise.all([
    chain.public.readContract({ ...GOPEN, functionName: "balanceOf", args: [address], ...now }),
    chain.public.readContract({ ...GOPEN, functionName: "delegates", args: [address], ...now }),
    chain.public.readContract({ ...GOPEN, functionName: "getVotes", args: [address], ...now }),
    chain.public.readContract({
      ...OpenGovernor,
      functionName: "getVotes",
      args: [address, timestamp - 1n],
      ...now,
    }),
    chain.public.readContract({ ...OpenGovernor, functionName: "proposalThreshold", ...now }),
  ]);
  const delegatedBeforeWei = await chain.public.readContract({
    ...GOPEN,
    functionName: "getPastVotes",
    args: [address, timestamp - 1n],
    ...now,
  });
  return {
    address,
    votesWei,
    delegatedWei,
    stakedWei: votesWei - delegatedBeforeWei,
    lockedWei,
    delegatee: delegatee === zeroAddress ? null : toHex(delegatee),
    proposalThresholdWei: thresholdWei,
  };
}

async function lock(io: Io, wei: bigint, as: string): Promise<void> {
  const purse = await openPurse(connect(), as, io);
  const { transactionHash } = await transact(purse, {
    ...purse.contracts.GOPEN,
    functionName: "deposit",
    value: wei,
  });
  const state = await readVotes(purse, toHex(purse.account.address));
  io.result(
    { ...state, amountWei: wei, transactionHash },
    `${formatOpen(state.lockedWei)} GOPEN are yours. ${
      state.delegatee === null
        ? `They vote once they are delegated, to yourself or to another:\n→ ./openledger gov delegate${asOption(as)}`
        : `They vote by ${state.delegatee}.`
    }`,
  );
}

async function unlock(io: Io, wei: bigint, as: string): Promise<void> {
  const purse = await openPurse(connect(), as, io);
  const { transactionHash } = await transact(purse, {
    ...purse.contracts.GOPEN,
    functionName: "withdraw",
    args: [wei],
  });
  const state = await readVotes(purse, toHex(purse.account.address));
  io.result(
    { ...state, amountWei: wei, transactionHash },
    `${formatOpen(wei)} GOPEN are OPEN again; ${formatOpen(state.lockedWei)} are still locked.`,
  );
}

async function delegate(io: Io, given: Address | undefined, as: string): Promise<void> {
  const purse = await openPurse(connect(), as, io);
  const delegatee = given ?? toHex(purse.account.address);
  const { transactionHash } = await transact(purse, {
    ...purse.contracts.GOPEN,
    functionName: "delegate",
    args: [delegatee],
  });
  const { lockedWei } = await readVotes(purse, toHex(purse.account.address));
  io.result(
    { delegator: toHex(purse.account.address), delegatee, lockedWei, transactionHash },
    `${formatOpen(lockedWei)} GOPEN vote by ${given === undefined ? "yourself" : delegatee}, from the next second on.`,
  );
}

/** A signed delegation counts so long, should the node keep it to itself. */
const relaySeconds = 3_600n;

async function relayDelegation(io: Io, given: Address | undefined, as: string): Promise<void> {
  const node = connect();
  const purse = await openPurse(node, as, io);
  const { GOPEN } = purse.contracts;
  const delegator = toHex(purse.account.address);
  const delegatee = given ?? delegator;
  const [nonce, { timestamp }] = await Promise.all([
    purse.public.readContract({ ...GOPEN, functionName: "nonces", args: [delegator], ...now }),
    purse.public.getBlock(now),
  ]);
  const message = { delegatee, nonce, expiry: timestamp + relaySeconds };
  const signature = await purse.account.signTypedData(delegationData(purse.chain.id, GOPEN.address, message));
  const sent = await node.post<{ amountWei: string; transactionHash: string }>("/v1/delegations", {
    delegatee,
    nonce: nonce.toString(),
    expiry: message.expiry.toString(),
    signature,
  });
  io.result(
    { ...sent, delegator, delegatee, lockedWei: sent.amountWei },
    `${formatOpen(BigInt(sent.amountWei))} GOPEN vote by ${given === undefined ? "yourself" : delegatee}, from the next second on; the node paid the gas.`,
  );
}

async function votes(io: Io, given: Address | undefined, as: string): Promise<void> {
  const node = connect();
  const chain = await openChain(node);
  const state = await readVotes(chain, given ?? knownAddress(node.settings, as, io));
  const open = (wei: bigint) => `${formatOpen(wei)} OPEN`;
  io.result(
    state,
    pairs([
      ["account", state.address],
      [
        "votes",
        `${formatOpen(state.votesWei)} (${formatOpen(state.proposalThresholdWei)} are needed to propose)`,
      ],
      ["delegated to it", open(state.delegatedWei)],
      ["its own stake", open(state.stakedWei)],
      ["locked", open(state.lockedWei)],
      ["its GOPEN votes by", state.delegatee ?? "nobody: ./openledger gov delegate"],
    ]),
  );
}
