import { weiColumn } from "../store/index.ts";

/**
 * A transaction's or log's place on the chain as one number: block × 2²⁰ + index. Pages go by it, so that new blocks never
 * move what a reader is in the middle of. Safe up to block 2³³.
 */
export const perBlock = 2 ** 20;

export const migrations = [
  `create table explorer.cursor (
     id int primary key default 1 check (id = 1),
     chain_id bigint not null,
     genesis_hash text not null,
     registry_digest text not null,
     block_number bigint not null,
     block_hash text not null,
     transactions bigint not null,
     logs bigint not null,
     accounts bigint not null,
     contracts bigint not null
   );
   create table explorer.blocks (
     number bigint primary key,
     hash text not null unique,
     parent_hash text not null,
     state_root text not null,
     timestamp_sec bigint not null,
     miner text not null,
     gas_used bigint not null,
     gas_limit bigint not null,
     base_fee_wei ${weiColumn} not null,
     size_bytes bigint not null,
     transactions int not null,
     logs int not null
   );
   create table explorer.transactions (
     position bigint primary key,
     hash text not null unique,
     sender text not null,
     recipient text,
     nonce bigint not null,
     type int not null,
     value_wei ${weiColumn} not null,
     gas_limit bigint not null,
     gas_used bigint not null,
     gas_price_wei ${weiColumn} not null,
     succeeded boolean not null,
     created text,
     input bytea not null,
     contract text,
     function text,
     arguments jsonb,
     traced boolean not null,
     revert_data bytea,
     revert_bytes bigint,
     error text,
     error_arguments jsonb,
     authorizations jsonb,
     logs int not null
   );
   create table explorer.logs (
     position bigint primary key,
     transaction bigint not null,
     address text not null,
     topics bytea not null,
     data bytea not null,
     contract text,
     event text,
     arguments jsonb
   );
   create index logs_transaction on explorer.logs (transaction, position);
   create index logs_address on explorer.logs (address, position);
   create index logs_contract on explorer.logs (contract, position) where contract is not null;
   create index logs_event on explorer.logs (event, position) where event is not null;
   create table explorer.activity (
     address text not null,
     position bigint not null,
     role text not null,
     change_wei ${weiColumn},
     primary key (address, position, role)
   );
   create table explorer.log_accounts (
     address text not null,
     position bigint not null,
     primary key (address, position)
   );
   create table explorer.accounts (
     address text primary key,
     transactions bigint not null,
     events bigint not null,
     first_block bigint not null,
     last_block bigint not null
   );
   create table explorer.contracts (
     address text primary key,
     name text,
     creator text,
     position bigint,
     code_digest text,
     code_bytes bigint not null
   );
   create index contracts_place on explorer.contracts ((coalesce(position, -1)), address);
   create index contracts_name on explorer.contracts (lower(name) text_pattern_ops) where name is not null;
   create table explorer.names (
     position bigint primary key,
     name text not null,
     event text not null,
     contract text not null,
     subject text
   );
   create index names_name on explorer.names (lower(name) text_pattern_ops);`,
];

/** Every table made from the chain. The cursor goes first and comes back last. */
export const derivedTables = [
  "cursor",
  "blocks",
  "transactions",
  "logs",
  "activity",
  "log_accounts",
  "accounts",
  "contracts",
  "names",
] as const;

/** How an address took part in a transaction. */
export const roles = ["sender", "recipient", "created", "authority", "balance", "genesis"] as const;
export type Role = (typeof roles)[number];
