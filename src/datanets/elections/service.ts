import type { Account } from "viem";
import {
  type Address,
  type CuratorVote,
  type Hex,
  recoverCuratorVote,
  sameHex,
} from "../../protocol/index.ts";
import type { Database } from "../../store/index.ts";
import { readDatanet } from "../datanet.ts";
import { DatanetError } from "../errors.ts";
import type { Registry } from "../registry.ts";
import type { VersionContent } from "../version.ts";
import type { Elections } from "./elections.ts";
import type { Election } from "./projection.ts";

/** Who judges rows of a Datanet beside its owner: named by the owner, elected until then (seconds), or both. */
export type Curator = {
  readonly curator: Address;
  readonly named: boolean;
  readonly electedUntil: number | null;
};

/** Elections of this node's Datanets. */
export type CuratorVoting = {
  /** Who curates now, and whether the owner allows that curators be elected. */
  curators(datanetId: bigint): Promise<{ curators: Curator[]; electionsAllowed: boolean }>;
  list(
    datanetId: bigint,
    page: { before?: bigint | undefined; limit: number },
  ): Promise<{
    elections: Election[];
    signing: { chainId: number; verifyingContract: Address };
  }>;
  open(owner: Account, asked: Parameters<Elections["open"]>[1]): Promise<Election>;
  /**
   * Brings a contributor's vote to the chain with all examples that it has in the election's version, for Datanets of the sender's own: who else opens
   * elections pays for them.
   *
   * @throws DatanetError `not-owner`, `vote-forged`, `unknown-election`, `election-refused`
   */
  vote(sender: Account, datanetId: bigint, vote: CuratorVote, signature: Hex): ReturnType<Elections["vote"]>;
};

type Parts = {
  readonly database: Database;
  /** Without it nobody is elected here. */
  readonly elections: Elections | undefined;
  readonly registry: Pick<Registry, "curators">;
  readonly contentOf: (datanetId: bigint, version: number) => Promise<VersionContent>;
};

const electionsLooked = 20;

export function createCuratorVoting({ database, elections, registry, contentOf }: Parts): CuratorVoting {
  const there = (): Elections => {
    if (elections !== undefined) return elections;
    throw new DatanetError("election-refused", "This node follows no elections.");
  };
  async function requireOwn({ address }: Account, datanetId: bigint): Promise<void> {
    const { owner } = await readDatanet(database, datanetId);
    if (sameHex(owner, address)) return;
    throw new DatanetError(
      "not-owner",
      `${address} does not own Datanet ${datanetId}, ${owner} does. Its owner opens elections, and has votes brought.`,
    );
  }
  return {
    async curators(datanetId) {
      await readDatanet(database, datanetId);
      const named = new Set(await registry.curators(datanetId));
      const electionsAllowed = elections !== undefined && named.delete(elections.domain.verifyingContract);
      const until = new Map<Address, number>();
      const held = (await elections?.list(datanetId, { limit: electionsLooked })) ?? [];
      for (const { elected, termEndsAt } of held)
        if (elected !== null && !until.has(elected) && (await elections?.isElected(datanetId, elected)))
          until.set(elected, termEndsAt ?? 0);
      const curators = [...new Set([...named, ...until.keys()])].map((curator) => ({
        curator,
        named: named.has(curator),
        electedUntil: until.get(curator) ?? null,
      }));
      return { curators, electionsAllowed };
    },
    async list(datanetId, page) {
      await readDatanet(database, datanetId);
      const { chainId, verifyingContract } = there().domain;
      return { elections: await there().list(datanetId, page), signing: { chainId, verifyingContract } };
    },
    async open(owner, asked) {
      await requireOwn(owner, asked.datanetId);
      // Votes are proven from it.
      await contentOf(asked.datanetId, asked.version);
      return there().open(owner, asked);
    },
    async vote(sender, datanetId, vote, signature) {
      await requireOwn(sender, datanetId);
      const [election] = await there().list(datanetId, { before: vote.electionId + 1n, limit: 1 });
      if (election?.electionId !== vote.electionId)
        throw new DatanetError(
          "unknown-election",
          `Datanet ${datanetId} has no election ${vote.electionId}.`,
        );
      const signer = await recoverCuratorVote(there().domain, vote, signature).catch(() => "nobody");
      if (signer === "nobody" || !sameHex(signer as Address, vote.contributor))
        throw new DatanetError(
          "vote-forged",
          `The vote names contributor ${vote.contributor}, but what it says was signed by ${signer}. Sign exactly these fields.`,
        );
      const { rows, proof } = await contentOf(datanetId, election.version);
      const examples = rows
        .filter(({ contributor }) => sameHex(contributor, vote.contributor))
        .map(({ example: _, ...row }) => ({ ...row, proof: proof(row.index) }));
      return there().vote(sender, vote, signature, examples);
    },
  };
}
