/** Elections of curators as the chain tells them, in tables: whose they are, what candidates have, who is elected. */
import type { PublicClient } from "viem";
import { type ChainEvent, curatorElectionsAbi, type EventFollower, followEvents } from "../../chain/index.ts";
import { type Address, toHex } from "../../protocol/index.ts";
import { type Database, type Queries, type Transaction, weiColumn } from "../../store/index.ts";

export type Election = {
  readonly electionId: bigint;
  readonly datanetId: bigint;
  /** Whose examples vote, and how many they are. */
  readonly version: number;
  readonly votes: number;
  /** Votes count until then, seconds. */
  readonly closesAt: number;
  readonly termSeconds: number;
  readonly elected: Address | null;
  readonly termEndsAt: number | null;
  readonly candidates: readonly { readonly candidate: Address; readonly votes: number }[];
};

const migrations = [
  `create table elections.elections (
     id ${weiColumn} primary key,
     datanet_id ${weiColumn} not null,
     version int not null,
     votes bigint not null,
     closes_at bigint not null,
     term_seconds bigint not null,
     elected text,
     term_ends_at bigint
   );
   create index elections_of_datanet on elections.elections (datanet_id, id);
   create table elections.candidates (
     election_id ${weiColumn} not null references elections.elections,
     candidate text not null,
     votes bigint not null,
     primary key (election_id, candidate)
   );`,
];

type Contract = { readonly address: Address; readonly abi: typeof curatorElectionsAbi };
type Event = ChainEvent<{ CuratorElections: Contract }>;

async function project(events: readonly Event[], tx: Transaction): Promise<void> {
  for (const event of events) {
    if (event.eventName === "ElectionOpened") {
      const { electionId, datanetId, version, votes, closesAt, termSeconds } = event.args;
      await tx.query(
        "insert into elections.elections (id, datanet_id, version, votes, closes_at, term_seconds) values ($1, $2, $3, $4, $5, $6)",
        [electionId, datanetId, ...[version, votes, closesAt, termSeconds].map(Number)],
      );
    } else if (event.eventName === "Voted") {
      const { electionId, candidate, candidateVotes } = event.args;
      await tx.query(
        `insert into elections.candidates (election_id, candidate, votes) values ($1, $2, $3)
         on conflict (election_id, candidate) do update set votes = $3`,
        [electionId, toHex(candidate), Number(candidateVotes)],
      );
    } else if (event.eventName === "Elected") {
      const { electionId, candidate, termEndsAt } = event.args;
      await tx.query("update elections.elections set elected = $2, term_ends_at = $3 where id = $1", [
        electionId,
        toHex(candidate),
        Number(termEndsAt),
      ]);
    }
  }
}

/** Follows the contract into the tables. */
export async function followElections(options: {
  readonly database: Database;
  readonly client: Pick<PublicClient, "getBlock" | "getBlockNumber" | "getLogs">;
  readonly address: Address;
  readonly onBlock?: (listener: () => void) => () => void;
  readonly log?: (message: string) => void;
}): Promise<EventFollower> {
  const { database, client, address, onBlock, log = () => {} } = options;
  await database.migrate("elections", migrations);
  return followEvents({
    ...{ name: "elections", database, client },
    contracts: { CuratorElections: { address, abi: curatorElectionsAbi } },
    handle: project,
    ...(onBlock && { onBlock }),
    onError: (error) =>
      log(`Elections of curators could not be followed: ${(error as Error).message}. It is tried again.`),
  });
}

/** Newest first. @param page.before those with a lower number */
export function listElections(
  queries: Queries,
  datanetId: bigint,
  page: { readonly before?: bigint | undefined; readonly limit: number },
): Promise<Election[]> {
  return queries.query<Election>(
    `select id as "electionId", datanet_id as "datanetId", version, votes, closes_at as "closesAt", term_seconds as "termSeconds", elected,
       term_ends_at as "termEndsAt",
       coalesce((select jsonb_agg(jsonb_build_object('candidate', candidate, 'votes', votes) order by votes desc, candidate)
         from (select * from elections.candidates c where c.election_id = e.id order by votes desc limit 100) most), '[]') as candidates
     from elections.elections e where datanet_id = $1 and ($2::numeric is null or id < $2) order by id desc limit $3`,
    [datanetId, page.before ?? null, page.limit],
  );
}

/** Elections of a Datanet that an account won, newest first, at most 20. */
export async function wonBy(queries: Queries, datanetId: bigint, account: Address): Promise<bigint[]> {
  const found = await queries.query<{ id: bigint }>(
    "select id from elections.elections where datanet_id = $1 and elected = $2 order by id desc limit 20",
    [datanetId, toHex(account)],
  );
  return found.map(({ id }) => id);
}
