import { type Database, weiColumn } from "../store/index.ts";

/**
 * A receipt's state is that of its batch: none or `prepared` (stored, perhaps not sent), `pending` (on chain, may be
 * challenged), `final`. A batch that was undone or dropped keeps its row; its receipts go back to having none. A `lost` receipt can
 * never be settled: its channel was closed before it was collected.
 */
const migrations = [
  `create table settlement.channels (
     channel_id text primary key,
     accepted_to ${weiColumn} not null
   );
   create table settlement.batches (
     id bigint generated always as identity primary key,
     number int not null,
     state text not null check (state in ('prepared', 'pending', 'final', 'undone', 'dropped')),
     receipts_root text not null,
     receipt_count int not null,
     journal_root text not null,
     journal_count int not null,
     balances_root text not null,
     balance_count int not null,
     previous_balances_root text not null,
     total ${weiColumn} not null,
     intervals text not null,
     content_digest text not null,
     balances_digest text not null,
     prepared_at_ms bigint not null,
     prepared_at_block bigint not null,
     transaction_hash text,
     settled_at_ms bigint,
     final_at_sec bigint,
     gas_used bigint,
     collect_gas bigint not null default 0
   );
   create unique index batches_standing on settlement.batches (number) where state in ('prepared', 'pending', 'final');
   create unique index batches_prepared on settlement.batches ((state)) where state = 'prepared';
   create table settlement.receipts (
     seq bigint generated always as identity primary key,
     id text not null unique,
     channel_id text not null references settlement.channels,
     from_wei ${weiColumn} not null,
     to_wei ${weiColumn} not null check (to_wei > from_wei),
     release_id text not null,
     bundle text not null,
     payment_count int not null,
     accepted_at_ms bigint not null,
     batch_id bigint references settlement.batches,
     position int,
     undone int not null default 0,
     lost boolean not null default false,
     unique (channel_id, from_wei),
     unique (batch_id, position)
   );
   create index receipts_waiting on settlement.receipts (seq) where batch_id is null and not lost;
   create index receipts_of_release on settlement.receipts (release_id, seq);
   create table settlement.payments (
     receipt_seq bigint not null references settlement.receipts,
     position int not null,
     payee text not null,
     amount ${weiColumn} not null check (amount > 0),
     primary key (receipt_seq, position)
   );
   create index payments_of_payee on settlement.payments (payee, receipt_seq);
   create table settlement.claims (
     transaction_hash text not null,
     payee text not null,
     number int not null,
     amount ${weiColumn} not null,
     cumulative ${weiColumn} not null,
     claimed_at_sec bigint not null,
     primary key (payee, cumulative)
   );`,
  // Others' batches, demands of all, and what this node relays.
  `create table settlement.watched (
     settled_in text primary key,
     attester text not null,
     number int not null,
     receipts_root text not null,
     committed text not null,
     settled_at_sec bigint not null,
     final_at_sec bigint not null,
     state text not null default 'unchecked'
       check (state in ('unchecked', 'unreadable', 'withheld', 'honest', 'lying', 'undone', 'final')),
     detail text,
     checked_at_ms bigint,
     content_digest text,
     proof_hash text
   );
   create index watched_of_attester on settlement.watched (attester, number);
   create table settlement.demands (
     item_id text primary key,
     attester text not null,
     number int not null,
     generation int not null,
     kind int not null,
     item_index bigint not null,
     release_id text not null,
     demander text not null,
     price ${weiColumn} not null,
     deadline_sec bigint not null,
     state text not null default 'open' check (state in ('open', 'answered', 'enforced', 'returned')),
     error text
   );
   create index demands_open on settlement.demands (deadline_sec) where state = 'open';`,
  `create table settlement.relays (
     identity text not null,
     day int not null,
     used int not null,
     primary key (identity, day)
   );`,
  // Channels of others, whose receipts fell and were taken over.
  `alter table settlement.channels add column third boolean not null default false;`,
];

export function migrateSettlement(database: Database): Promise<void> {
  return database.migrate("settlement", migrations);
}
