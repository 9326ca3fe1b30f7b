/** How OPEN becomes a vote: what an account has, and delegating it. Amounts in wei. */
import { type Address, zeroAddress } from "viem";
import { api, ask } from "../api/client.ts";
import { chainView, now, transact } from "../chain/view.ts";
import { signTypedData } from "../wallet/wallet.ts";

/** An account's votes as of now. */
export async function readPower(account: Address) {
  const chain = await chainView();
  const { GOPEN, OpenGovernor } = chain.at;
  const { timestamp } = await chain.public.getBlock(now);
  const of = { ...GOPEN, args: [account], ...now } as const;
  const [lockedWei, delegatee, delegatedWei, votesWei, thresholdWei, balanceWei, delegatedBeforeWei] =
    await Promise.all([
      chain.public.readContract({ ...of, functionName: "balanceOf" }),
      chain.public.readContract({ ...of, functionName: "delegates" }),
      chain.public.readContract({ ...of, functionName: "getVotes" }),
      chain.public.readContract({
        ...OpenGovernor,
        functionName: "getVotes",
        args: [account, timestamp - 1n],
        ...now,
      }),
      chain.public.readContract({ ...OpenGovernor, functionName: "proposalThreshold", ...now }),
      chain.public.getBalance({ address: account }),
      chain.public.readContract({
        ...GOPEN,
        functionName: "getPastVotes",
        args: [account, timestamp - 1n],
        ...now,
      }),
    ]);
  return {
    votesWei,
    delegatedWei,
    stakedWei: votesWei - delegatedBeforeWei,
    lockedWei,
    balanceWei,
    delegatee: delegatee === zeroAddress ? null : (delegatee.toLowerCase() as Address),
    thresholdWei,
  };
}

export type Power = Awaited<ReturnType<typeof readPower>>;

/** Turns OPEN into GOPEN. */
export const lock = async (wei: bigint) => transact((await chainView()).at.GOPEN, "deposit", [], wei);
/** Turns GOPEN back into OPEN. */
export const unlock = async (wei: bigint) => transact((await chainView()).at.GOPEN, "withdraw", [wei]);
/** Says who votes with one's GOPEN, by a transaction of one's own. */
export const delegate = async (to: Address) => transact((await chainView()).at.GOPEN, "delegate", [to]);

/** A signed delegation counts so long, should the node keep it to itself, seconds. */
const signedFor = 3_600n;

/** The same by a signature that the node sends: no OPEN is needed for gas. */
export async function delegateBySignature(from: Address, to: Address): Promise<void> {
  const chain = await chainView();
  const { GOPEN } = chain.at;
  const [nonce, { timestamp }] = await Promise.all([
    chain.public.readContract({ ...GOPEN, functionName: "nonces", args: [from], ...now }),
    chain.public.getBlock(now),
  ]);
  const expiry = timestamp + signedFor;
  const signature = await signTypedData({
    domain: {
      name: "Governance OPEN",
      version: "1",
      chainId: chain.chain.id,
      verifyingContract: GOPEN.address,
    },
    types: {
      Delegation: [
        { name: "delegatee", type: "address" },
        { name: "nonce", type: "uint256" },
        { name: "expiry", type: "uint256" },
      ],
    },
    primaryType: "Delegation",
    message: { delegatee: to, nonce, expiry },
  });
  await ask(
    api.POST("/v1/delegations", {
      body: { delegatee: to, nonce: nonce.toString(), expiry: expiry.toString(), signature },
    }),
  );
}
