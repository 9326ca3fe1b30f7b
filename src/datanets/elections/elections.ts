/** Contributors elect who curates: what `CuratorElections` counts, asked and told over this node. */
import {
  type Account,
  BaseError,
  type Chain,
  ContractFunctionRevertedError,
  createPublicClient,
  createWalletClient,
  type Transport,
} from "viem";
import { curatorElectionsAbi, datanetRegistryAbi, type EventFollower } from "../../chain/index.ts";
import {
  type Address,
  type CuratorVote,
  type Domain,
  domain,
  type Hex,
  toHex,
} from "../../protocol/index.ts";
import type { Database } from "../../store/index.ts";
import { DatanetError } from "../errors.ts";
import { type Election, followElections, listElections, wonBy } from "./projection.ts";

/** An example of a version and its siblings up to the version's root. */
export type VotingExample = {
  readonly index: number;
  readonly exampleDigest: Hex;
  readonly contributor: Address;
  readonly licenseDigest: Hex;
  readonly consentDigest: Hex;
  readonly proof: readonly Hex[];
};

export type Elections = {
  /** Where votes are signed for. */
  readonly domain: Domain;
  list(datanetId: bigint, page: { before?: bigint | undefined; limit: number }): Promise<Election[]>;
  /** Whether an account won an election of a Datanet and its term goes on, as the chain has it now. */
  isElected(datanetId: bigint, account: Address): Promise<boolean>;
  /** Opens an election, as the Datanet's owner, who lets the contract curate before. @throws DatanetError `election-refused` */
  open(
    owner: Account,
    asked: { datanetId: bigint; version: number; closesAt: number; termSeconds: number },
  ): Promise<Election>;
  /**
   * Brings a vote with those of these examples that have not voted; at most 500 of them, in transactions of 50.
   *
   * @returns how many votes were added
   * @throws DatanetError `election-refused`
   */
  vote(
    sender: Account,
    vote: CuratorVote,
    signature: Hex,
    examples: readonly VotingExample[],
  ): Promise<{ added: number; election: Election }>;
  close(): Promise<void>;
};

const examplesMax = 500;
const perTransaction = 50;

/** @param options.address `CuratorElections`; `registry` its `DatanetRegistry` */
export async function openElections(options: {
  readonly database: Database;
  readonly chain: Chain;
  readonly transport: Transport;
  readonly address: Address;
  readonly registry: Address;
  readonly onBlock?: (listener: () => void) => () => void;
  readonly log?: (message: string) => void;
}): Promise<Elections> {
  const { database, chain, transport } = options;
  const reader = createPublicClient({ chain, transport });
  const follower: EventFollower = await followElections({ ...options, client: reader });
  const contract = { address: options.address, abi: curatorElectionsAbi } as const;
  const registry = { address: options.registry, abi: datanetRegistryAbi } as const;
  const walletOf = (account: Account) => createWalletClient({ account, chain, transport });

  async function mined(hash: Hex): Promise<void> {
    const { status, blockNumber } = await reader.waitForTransactionReceipt({ hash });
    if (status !== "success")
      throw new Error(`Transaction ${hash} was reverted: the chain changed in between. Try again.`);
    await follower.reached(blockNumber);
  }
  const numbered = async (datanetId: bigint, electionId: bigint): Promise<Election> => {
    const [found] = await listElections(database, datanetId, { before: electionId + 1n, limit: 1 });
    if (found?.electionId === electionId) return found;
    throw new DatanetError("unknown-election", `Datanet ${datanetId} has no election ${electionId}.`);
  };

  return {
    domain: domain(chain.id, toHex(contract.address)),
    list: (datanetId, page) => listElections(database, datanetId, page),
    async isElected(datanetId, account) {
      for (const id of await wonBy(database, datanetId, account))
        if (
          await reader.readContract({
            ...{ ...contract, functionName: "isElected", args: [id, account], blockTag: "pending" },
          })
        )
          return true;
      return false;
    },
    async open(owner, { datanetId, version, closesAt, termSeconds }) {
      const named = await reader.readContract({
        ...{ ...registry, functionName: "isCurator", args: [datanetId, contract.address] },
      });
      const { request, result } = await refusedByName(() =>
        reader.simulateContract({
          ...{ ...contract, account: owner, functionName: "open" },
          args: [datanetId, BigInt(version), closesAt, termSeconds],
        }),
      );
      if (!named) {
        const naming = await reader.simulateContract({
          ...{ ...registry, account: owner, functionName: "setCurator" },
          args: [datanetId, contract.address, true],
        });
        await mined(await walletOf(owner).writeContract(naming.request));
      }
      await mined(await walletOf(owner).writeContract(request));
      return numbered(datanetId, result);
    },
    async vote(sender, { electionId, contributor, candidate }, signature, examples) {
      const { datanetId } = await refusedByName(() =>
        reader.readContract({ ...contract, functionName: "electionOf", args: [electionId] }),
      );
      const left: VotingExample[] = [];
      for (const example of examples) {
        if (left.length === examplesMax) break;
        const args = [electionId, BigInt(example.index)] as const;
        if (!(await reader.readContract({ ...contract, functionName: "hasVoted", args }))) left.push(example);
      }
      if (left.length === 0)
        throw new DatanetError(
          "election-refused",
          `${contributor} has no example in the version of election ${electionId} that has not voted.`,
        );
      let added = 0;
      let election = await numbered(datanetId, electionId);
      for (let at = 0; at < left.length && election.elected === null; at += perTransaction) {
        const part = left.slice(at, at + perTransaction);
        const { request } = await refusedByName(() =>
          reader.simulateContract({
            ...{ ...contract, account: sender, functionName: "voteBySignature" },
            args: [
              electionId,
              contributor,
              candidate,
              part.map(({ proof: _, index, ...rest }) => ({ ...rest, index: BigInt(index) })),
              part.map(({ proof }) => proof),
              signature,
            ],
          }),
        );
        await mined(await walletOf(sender).writeContract(request));
        added += part.length;
        election = await numbered(datanetId, electionId);
      }
      return { added, election };
    },
    close: () => follower.stop(),
  };
}

const words: Readonly<Record<string, string>> = {
  UnknownElection: "there is no such election",
  Closed: "it is closed, or somebody is elected already",
  BadSignature: "the vote is not signed by its contributor",
  BadTimes: "it must close in the future, and its term be longer than nothing",
  NotOwner: "only the Datanet's owner opens elections",
  NoCandidate: "it names no candidate",
};

async function refusedByName<T>(action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    const reverted =
      error instanceof BaseError && error.walk((one) => one instanceof ContractFunctionRevertedError);
    if (!(reverted instanceof ContractFunctionRevertedError)) throw error;
    const name = reverted.data?.errorName ?? "reverted";
    throw Object.assign(
      new DatanetError(
        name === "UnknownElection" ? "unknown-election" : "election-refused",
        `The chain refuses this election or vote: ${words[name] ?? name}.`,
        { reason: name },
      ),
      { cause: error },
    );
  }
}
