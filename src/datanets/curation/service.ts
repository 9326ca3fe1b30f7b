import type { Account } from "viem";
import { type Address, sameHex } from "../../protocol/index.ts";
import { readDatanet } from "../datanet.ts";
import { DatanetError } from "../errors.ts";
import {
  type CurationParts,
  type Decision,
  overlapOf,
  type QueuedRow,
  type Reviewed,
  requireCurator,
  review,
  takeQueue,
} from "./review.ts";
import { type CurationStanding, curationStanding } from "./standing.ts";

/** Rows that wait for people. */
export type Curation = {
  /** How many judge each row; null where what passes the checks counts at once. */
  overlap(datanetId: bigint): Promise<number | null>;
  /** Holds for contributions from now on; rows that wait go on waiting, for as many as it says now. */
  setOverlap(datanetId: bigint, overlap: number | null): Promise<void>;
  /** Names a curator on chain, or takes the name away, where that is not so already. @throws DatanetError `not-owner` */
  setCurator(owner: Account, datanetId: bigint, curator: Address, allowed: boolean): Promise<void>;
  /** @throws DatanetError `not-curator` */
  requireCurator(datanetId: bigint, curator: Address): Promise<void>;
  queue(datanetId: bigint, curator: Address, limit: number): Promise<QueuedRow[]>;
  review(datanetId: bigint, curator: Address, decisions: readonly Decision[]): Promise<Reviewed>;
  standing(datanetId: bigint): Promise<CurationStanding>;
};

/** @param onDecided told when rows of a Datanet came to count, or stopped waiting */
export function createCuration(parts: CurationParts, onDecided: (datanetId: bigint) => void): Curation {
  const { database } = parts;
  const known = (datanetId: bigint) => readDatanet(database, datanetId);
  return {
    async overlap(datanetId) {
      await known(datanetId);
      return overlapOf(database, datanetId);
    },
    async setOverlap(datanetId, overlap) {
      await known(datanetId);
      await database.query("update datanets.datanets set review_overlap = $2 where id = $1", [
        datanetId,
        overlap,
      ]);
    },
    async setCurator(by, datanetId, curator, allowed) {
      const { owner } = await known(datanetId);
      if (!sameHex(owner, by.address))
        throw new DatanetError(
          "not-owner",
          `${by.address} does not own Datanet ${datanetId}, ${owner} does. Only the owner names curators.`,
        );
      if ((await parts.registry.mayPublish(datanetId, curator)) !== allowed)
        await parts.registry.setCurator(by, datanetId, curator, allowed);
    },
    requireCurator: (datanetId, curator) => requireCurator(parts, datanetId, curator),
    queue: (datanetId, curator, limit) => takeQueue(parts, datanetId, curator, limit),
    async review(datanetId, curator, decisions) {
      const reviewed = await review(parts, datanetId, curator, decisions);
      if (reviewed.accepted + reviewed.rejected > 0) onDecided(datanetId);
      return reviewed;
    },
    async standing(datanetId) {
      await known(datanetId);
      return curationStanding(database, datanetId);
    },
  };
}
