import { type Database, weiColumn } from "../store/index.ts";

/**
 * `channels` holds what the chain's events say, and beside it what this node keeps: `charged` (where the next charge starts),
 * `reserved` (what requests under way may still cost) and `published` (the highest voucher that was ever sent to the chain,
 * where everyone can read it). `keys` never holds a secret or a private key: a digest and an address.
 */
const migrations = [
  `create table payments.channels (
     channel_id text primary key,
     payer text not null,
     payee text not null,
     deposit ${weiColumn} not null,
     collected ${weiColumn} not null,
     signer text not null,
     signer_limit ${weiColumn} not null,
     previous_signer text not null,
     previous_limit ${weiColumn} not null,
     previous_until_sec bigint not null,
     closes_at_sec bigint not null,
     closed boolean not null,
     charged ${weiColumn} not null default 0,
     reserved ${weiColumn} not null default 0 check (reserved >= 0),
     published ${weiColumn} not null default 0
   );
   create table payments.keys (
     key_id text primary key,
     secret_digest text not null unique,
     label text not null,
     signer text not null unique,
     channel_id text references payments.channels,
     created_at_ms bigint not null,
     activated_at_ms bigint,
     revoked_at_ms bigint
   );
   create index keys_of_channel on payments.keys (channel_id);
   create index keys_waiting on payments.keys (created_at_ms) where channel_id is null;
   create table payments.vouchers (
     channel_id text not null references payments.channels,
     cumulative ${weiColumn} not null,
     signature text not null,
     signed_by text not null,
     received_at_ms bigint not null,
     primary key (channel_id, cumulative)
   );
   create table payments.requests (
     request_id text primary key,
     channel_id text not null references payments.channels,
     key_id text references payments.keys,
     max_wei ${weiColumn} not null,
     state text not null check (state in ('reserved', 'charged', 'released')),
     from_wei ${weiColumn},
     to_wei ${weiColumn},
     prompt_tokens bigint not null default 0,
     completion_tokens bigint not null default 0,
     reserved_at_ms bigint not null,
     finished_at_ms bigint,
     check ((state = 'charged') = (to_wei is not null and from_wei is not null and to_wei > from_wei)),
     unique (channel_id, from_wei)
   );
   create index requests_of_key on payments.requests (key_id, finished_at_ms);
   create index requests_of_channel on payments.requests (channel_id, finished_at_ms);
   create index requests_open on payments.requests (reserved_at_ms) where state = 'reserved';`,
];

export function migratePayments(database: Database): Promise<void> {
  return database.migrate("payments", migrations);
}
