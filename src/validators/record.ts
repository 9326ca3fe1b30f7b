/**
 * What a validator must know of others: which audits a batch has had, the projections and witnesses that were shown, and the slashes that
 * wait for their appeal to end. Followed from the chain.
 */
import {
  type ChainReader,
  type FollowOptions,
  followEvents,
  type ProtocolContracts,
} from "../chain/index.ts";
import { type Address, type Digest, toBytes, toHex } from "../protocol/index.ts";
import type { Database } from "../store/index.ts";
import { everyReceipt } from "./lottery.ts";

/** Of the schema `validators`, after those of `release-tables`. */
export const recordMigrations = [
  `create table validators.shown (
     draw_id int not null,
     validator text not null,
     receipt bigint not null,
     wrong boolean not null,
     projection bytea not null,
     primary key (draw_id, validator)
   );
   create table validators.slashes (
     slash_id bigint primary key,
     reporter text not null,
     executable_at bigint not null
   );`,
  `create table validators.witnesses (
     release_id text not null,
     round int not null,
     validator text not null,
     wrong boolean not null,
     witness bytea not null,
     primary key (release_id, round, validator)
   );`,
  `create table validators.audits (
     draw_id int primary key,
     attester text not null,
     number bigint not null
   );
   create index on validators.audits (attester, number);`,
];

/** What somebody revealed in a round over a release, or in a draw. */
export type Shown = {
  readonly validator: Address;
  readonly wrong: boolean;
  /** Of the receipt's gradient, or the witness of the release; no bytes where nothing was computed. */
  readonly projection: Uint8Array;
};
export type ShownInDraw = Shown & { readonly receipt: number };

/** A slash that nobody has carried out or overturned. */
export type WaitingSlash = {
  readonly slashId: bigint;
  readonly reporter: Address;
  /** When its appeal ends, seconds. */
  readonly executableAt: number;
};

export type Record = {
  /** Up to the last block. */
  catchUp(): Promise<void>;
  /** Draws that audit a batch, ascending. */
  auditsOf(attester: Address, number: number): Promise<number[]>;
  /** By address, ascending. */
  shownIn(drawId: number): Promise<ShownInDraw[]>;
  /** By address, ascending. */
  witnessesIn(releaseId: Digest, round: number): Promise<Shown[]>;
  /** Whose appeal ends by then, at most 256. */
  slashesDue(timestamp: number): Promise<WaitingSlash[]>;
  stop(): Promise<void>;
};

export async function openRecord(parts: {
  readonly database: Database;
  readonly chain: ChainReader;
  readonly contracts: Pick<ProtocolContracts, "Verdicts" | "ReleaseVerdicts" | "OpenStaking">;
  readonly onBlock?: NonNullable<FollowOptions<Pick<ProtocolContracts, "Verdicts">>["onBlock"]>;
}): Promise<Record> {
  const { database, chain, contracts } = parts;
  const follower = await followEvents({
    name: "validator-record",
    database,
    client: chain.public,
    contracts: {
      Verdicts: contracts.Verdicts,
      ReleaseVerdicts: contracts.ReleaseVerdicts,
      OpenStaking: contracts.OpenStaking,
    },
    handle: async (events, tx) => {
      for (const event of events)
        if (event.eventName === "Revealed" && event.contract === "ReleaseVerdicts") {
          const { releaseId, round, validator, wrong, witness } = event.args;
          await tx.query(
            "insert into validators.witnesses values ($1, $2, $3, $4, $5) on conflict do nothing",
            [...[toHex(releaseId), Number(round), toHex(validator), wrong, toBytes(witness)]],
          );
        } else if (event.eventName === "DrawOpened") {
          const { drawId, attester, number, receipt } = event.args;
          if (Number(receipt) === everyReceipt)
            await tx.query("insert into validators.audits values ($1, $2, $3) on conflict do nothing", [
              ...[Number(drawId), toHex(attester), Number(number)],
            ]);
        } else if (event.eventName === "Revealed" && event.contract === "Verdicts") {
          const { drawId, validator, receipt, wrong, projection } = event.args;
          await tx.query("insert into validators.shown values ($1, $2, $3, $4, $5) on conflict do nothing", [
            ...[Number(drawId), toHex(validator), Number(receipt), wrong, toBytes(projection)],
          ]);
        } else if (event.eventName === "Slashed") {
          const { slashId, reporter, executableAt } = event.args;
          await tx.query("insert into validators.slashes values ($1, $2, $3) on conflict do nothing", [
            ...[Number(slashId), toHex(reporter), Number(executableAt)],
          ]);
        } else if (event.eventName === "SlashExecuted" || event.eventName === "SlashOverturned")
          await tx.query("delete from validators.slashes where slash_id = $1", [Number(event.args.slashId)]);
    },
    ...(parts.onBlock === undefined ? {} : { onBlock: parts.onBlock }),
  });
  return {
    catchUp: async () => follower.reached(await chain.public.getBlockNumber({ cacheTime: 0 })),
    async auditsOf(attester, number) {
      const rows = await database.query<{ id: number }>(
        "select draw_id as id from validators.audits where attester = $1 and number = $2 order by draw_id",
        [attester, number],
      );
      return rows.map(({ id }) => id);
    },
    async shownIn(drawId) {
      const rows = await database.query<Shown & { receipt: number | bigint }>(
        "select validator, receipt, wrong, projection from validators.shown where draw_id = $1 order by validator",
        [drawId],
      );
      return rows.map((row) => ({ ...row, receipt: Number(row.receipt) }));
    },
    witnessesIn: (releaseId, round) =>
      database.query<Shown>(
        `select validator, wrong, witness as projection from validators.witnesses
         where release_id = $1 and round = $2 order by validator`,
        [releaseId, round],
      ),
    async slashesDue(timestamp) {
      const rows = await database.query<{ id: number | bigint; reporter: Address; at: number | bigint }>(
        `select slash_id as id, reporter, executable_at as at from validators.slashes
         where executable_at <= $1 order by slash_id limit 256`,
        [timestamp],
      );
      return rows.map(({ id, reporter, at }) => ({
        ...{ slashId: BigInt(id), reporter, executableAt: Number(at) },
      }));
    },
    stop: () => follower.stop(),
  };
}
