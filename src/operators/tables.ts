import type { Database } from "../store/index.ts";

/** `keys` and `sessions` never hold a secret, only its SHA-256. `log` is bounded: the oldest entries go. */
const migrations = [
  `create table operators.keys (
     id text primary key,
     secret_digest bytea not null,
     name text not null,
     scopes jsonb not null,
     requests_per_minute int not null,
     created_by text not null,
     created_at_ms bigint not null,
     expires_at_ms bigint,
     last_used_at_ms bigint,
     revoked_at_ms bigint
   );
   create index keys_by_time on operators.keys (created_at_ms, id);
   create table operators.log (
     seq bigint generated always as identity primary key,
     at_ms bigint not null,
     who text not null,
     name text not null,
     scope text not null,
     method text not null,
     path text not null,
     status int
   );`,
  `create table operators.sessions (
     digest bytea primary key,
     address text not null,
     created_at_ms bigint not null,
     last_used_at_ms bigint not null,
     expires_at_ms bigint not null
   );
   create index sessions_of_address on operators.sessions (address, last_used_at_ms);`,
  `create table operators.people (
     address text primary key,
     admitted_by text not null,
     admitted_at_ms bigint not null
   );`,
  // Whose address of the internet a session was opened from: where too many are, one of whoever has most of them ends.
  `alter table operators.sessions add column opened_from text not null default '';
   create index sessions_of_subscriber on operators.sessions (opened_from, last_used_at_ms);`,
];

export function migrateOperators(database: Database): Promise<void> {
  return database.migrate("operators", migrations);
}
