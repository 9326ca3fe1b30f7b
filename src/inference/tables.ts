import { type Database, weiColumn } from "../store/index.ts";

/**
 * One row per paid answer: a request for several has as many, with the same key and body. Prompt, answer and token ids are kept: attribution needs the ids, a repeated idempotency key
 * gets the same answer. `text` is UTF-8 bytes, because a model may write the character NUL, which no text column holds.
 * `listed` are the bytes that a receipt's `scoresDigest` hashes. `unattributed`: why nothing was, though it was asked for. `logprobs` are kept where a repeated key may ask for them. `adapters`: what the operator
 * loaded by name. `body`: the request as it came, with the first choice, because whoever checks an answer must see what was asked.
 */
const migrations = [
  `create table inference.requests (
     id text primary key,
     state text not null check (state in ('reserved', 'generated', 'scored', 'charged', 'receipted', 'failed', 'released')),
     payer text not null,
     channel_id text not null,
     idempotency_key text,
     kind text not null check (kind in ('chat', 'text')),
     model text not null,
     release_id text not null,
     attribution boolean not null,
     request_digest text not null,
     reserved_wei ${weiColumn} not null,
     prompt_ids jsonb,
     output_ids jsonb,
     text bytea,
     finish_reason text check (finish_reason in ('stop', 'length')),
     seed bigint,
     fingerprint text,
     prompt_tokens int not null,
     completion_tokens int,
     fee_wei ${weiColumn},
     query bytea,
     scores jsonb,
     null_scores jsonb,
     from_wei ${weiColumn},
     to_wei ${weiColumn},
     receipt_id text unique,
     error text,
     created_at_ms bigint not null,
     generated_at_ms bigint,
     finished_at_ms bigint
   );
   create unique index requests_idempotent on inference.requests (payer, idempotency_key) where idempotency_key is not null;
   create index requests_open on inference.requests (state, generated_at_ms)
     where state in ('reserved', 'generated', 'scored', 'charged');
   create index requests_charged on inference.requests (channel_id, from_wei) where state = 'charged';`,
  `alter table inference.requests add column choice int not null default 0;
   alter table inference.requests add column logprobs jsonb;
   drop index inference.requests_idempotent;
   create unique index requests_idempotent on inference.requests (payer, idempotency_key, choice)
     where idempotency_key is not null;
   create table inference.adapters (
     name text primary key,
     digest text not null,
     config_digest text not null,
     path text not null,
     loaded_at_ms bigint not null
   );
   create index adapters_digest on inference.adapters (digest);`,
  "alter table inference.requests add column body bytea",
  // What a receipt keeps of the scores, instead of all of them; what waits with the old ones is scored again, to the same.
  `alter table inference.requests add column listed bytea;
   alter table inference.requests add column threshold_row int;
   alter table inference.requests add column threshold bigint;
   alter table inference.requests add column unattributed text;
   update inference.requests set state = 'generated', query = null where state in ('scored', 'charged') and scores is not null;
   alter table inference.requests drop column scores;
   alter table inference.requests drop column null_scores;`,
];

export function migrateInference(database: Database): Promise<void> {
  return database.migrate("inference", migrations);
}
