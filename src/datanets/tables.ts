import { type Database, weiColumn } from "../store/index.ts";
import { accessMigrations } from "./access/tables.ts";
import { curationMigrations } from "./curation/tables.ts";

/**
 * Rows are never deleted. A row counts while its status is `accepted` and it is not withdrawn: one that is withdrawn keeps its place and
 * gets a time. A row that is a duplicate points to the accepted row with the same digest, a near duplicate (accepted or not, as the rules
 * want it) to the accepted row that represents its cluster. Order of acceptance is the order of `rows.id`.
 */
const migrations = [
  `create table datanets.datanets (
     id ${weiColumn} primary key,
     owner text not null,
     name text not null,
     description text not null,
     domain text not null,
     license text not null,
     card_digest text not null,
     pool text not null,
     transaction_hash text not null,
     recorded_at_ms bigint not null
   );
   create table datanets.contributions (
     id bigint generated always as identity primary key,
     datanet_id ${weiColumn} not null references datanets.datanets,
     contributor text not null,
     split text not null check (split in ('train', 'heldout')),
     consent_digest text not null unique,
     examples_digest text not null,
     example_count int not null,
     license text not null,
     signed_at bigint not null,
     signature text not null,
     text_digest text not null,
     accepted_count int not null,
     recorded_at_ms bigint not null
   );
   create index contributions_of_datanet on datanets.contributions (datanet_id, id);
   create table datanets.rows (
     id bigint generated always as identity primary key,
     datanet_id ${weiColumn} not null references datanets.datanets,
     contribution_id bigint not null references datanets.contributions,
     position int not null,
     line int not null,
     digest text not null,
     split text not null,
     duplicate_of bigint references datanets.rows,
     withdrawn_at_ms bigint,
     unique (contribution_id, position)
   );
   create unique index rows_accepted on datanets.rows (datanet_id, digest)
     where duplicate_of is null and withdrawn_at_ms is null;
   create table datanets.versions (
     datanet_id ${weiColumn} not null references datanets.datanets,
     version int not null,
     root text not null,
     count int not null,
     heldout_count int not null,
     license text not null,
     manifest_digest text not null,
     transaction_hash text,
     recorded_at_ms bigint not null,
     primary key (datanet_id, version)
   );`,
  // What the checks said of each row, where it came from, and what its Datanet asks.
  `alter table datanets.datanets add column rules jsonb not null default '{}';
   alter table datanets.contributions add column source_license text;
   alter table datanets.rows
     add column status text not null default 'accepted'
       check (status in ('accepted', 'duplicate', 'near-duplicate', 'refused')),
     add column reasons jsonb not null default '[]',
     add column source jsonb,
     add column near_of bigint references datanets.rows;
   update datanets.rows set status = 'duplicate' where duplicate_of is not null;
   drop index datanets.rows_accepted;
   create unique index rows_accepted on datanets.rows (datanet_id, digest)
     where status = 'accepted' and withdrawn_at_ms is null;
   create index rows_near on datanets.rows (near_of) where near_of is not null;`,
  `create table datanets.withdrawals (
     digest text primary key,
     datanet_id ${weiColumn} not null references datanets.datanets,
     contributor text not null,
     example_count int not null,
     signed_at bigint not null,
     signature text not null,
     recorded_at_ms bigint not null
   );`,
  // Of an imported version the rows lie in one blob, in the manifest's order; its Datanet's creation may be unknown here.
  `alter table datanets.versions add column rows_digest text;
   alter table datanets.datanets alter column transaction_hash drop not null;`,
  ...accessMigrations(weiColumn),
  ...curationMigrations,
  // Texts of a private Datanet may still lie unencrypted.
  "alter table datanets.datanets add column is_plain boolean not null default true;",
  // What a reader had staked when asking: of too many that wait, those with the least go.
  `alter table datanets.readers add column stake_wei ${weiColumn} not null default 0;
   create index readers_by_state on datanets.readers (datanet_id, state, stake_wei, asked_at_ms);`,
  // A pass may open only what its reader gave.
  "alter table datanets.passes add column is_own boolean not null default false;",
  // How many rows of a version were taken back is asked with every look at a release made of it.
  "create index rows_withdrawn on datanets.rows (datanet_id, withdrawn_at_ms) where status = 'accepted' and withdrawn_at_ms is not null;",
  // What somebody gave is listed over all Datanets.
  "create index contributions_of_contributor on datanets.contributions (contributor, id);",
];

export function migrateDatanets(database: Database): Promise<void> {
  return database.migrate("datanets", migrations);
}
