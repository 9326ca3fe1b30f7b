import type { Address } from "../../protocol/index.ts";
import { readDatanet } from "../datanet.ts";
import {
  type CurationParts,
  type Decision,
  overlapOf,
  type QueuedRow,
  type Reviewed,
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
