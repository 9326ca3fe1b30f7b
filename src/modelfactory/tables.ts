import type { Database } from "../store/index.ts";

/** This room's schema, oldest first; a released migration never changes. */
const migrations = [
  `
  create table modelfactory.jobs (
    id text primary key,
    spec jsonb not null,
    -- queued, training, evaluating, indexing, calibrating, releasing, succeeded, failed, cancelled
    state text not null,
    error text,
    -- What finished steps left behind: digests and figures, so that a restarted job goes on after the last of them.
    trained jsonb,
    evaluated jsonb,
    indexed jsonb,
    release_id text,
    created_at_ms bigint not null,
    finished_at_ms bigint
  );
  create table modelfactory.events (
    id bigserial primary key,
    job_id text not null references modelfactory.jobs (id),
    at_ms bigint not null,
    kind text not null,
    data jsonb not null
  );
  create index events_by_job on modelfactory.events (job_id, id);
  create table modelfactory.releases (
    id text primary key,
    model text not null,
    manifest jsonb not null,
    adapter_config text not null,
    rows_digest text not null,
    contributors jsonb not null,
    signature text not null,
    transaction_hash text,
    job_id text,
    created_at_ms bigint not null
  );
  create index releases_by_model on modelfactory.releases (model, created_at_ms);
  `,
  // An adapter is looked up by its digest whenever it is loaded.
  `
  create index releases_by_adapter on modelfactory.releases ((manifest -> 'adapter' ->> 'digest'), created_at_ms);
  `,
  `
  alter table modelfactory.jobs add column calibrated jsonb;
  -- What each retraining of a calibration found, so that one that was interrupted goes on after the last of them.
  create table modelfactory.retrainings (
    job_id text not null references modelfactory.jobs (id),
    number integer not null,
    losses jsonb not null,
    seconds double precision not null,
    primary key (job_id, number)
  );
  `,
  // In whose name a job waits, and when its owner last had a turn: a count, so that clocks and ties do not matter. `paused` is a state, too.
  `
  alter table modelfactory.jobs add column owner text not null default 'operator';
  alter table modelfactory.jobs add column turn bigint not null default 0;
  create index jobs_by_owner on modelfactory.jobs (owner, turn);
  create index jobs_waiting on modelfactory.jobs (created_at_ms) where state = 'queued';
  `,
  // Files that applications brought to train on, and what they asked for beside what a job says.
  `
  create table modelfactory.files (
    id text primary key,
    filename text not null,
    purpose text not null,
    bytes bigint not null,
    digest text not null,
    created_at_ms bigint not null,
    expires_at_ms bigint
  );
  create index files_by_time on modelfactory.files (created_at_ms, id);
  create table modelfactory.requests (
    job_id text primary key references modelfactory.jobs (id),
    request jsonb not null
  );
  `,
  // How fast this machine is over a base with a shape of adapter: measured once, for estimates.
  `
  create table modelfactory.speeds (
    key text primary key,
    speeds jsonb not null,
    measured_at_ms bigint not null
  );
  `,
  // That a model's name serves another release than its newest, which stood here then; a newer one serves itself.
  `
  create table modelfactory.served (
    id bigserial primary key,
    model text not null,
    release_id text not null references modelfactory.releases (id),
    newest_id text not null,
    at_ms bigint not null
  );
  create index served_by_model on modelfactory.served (model, id);
  `,
  `
  create table modelfactory.sweeps (
    id text primary key,
    -- [{job, varied}]
    points jsonb not null,
    created_at_ms bigint not null
  );
  `,
  // What a job costs, and what has become of its escrow. `unpaid` is a state of a job, too.
  `
  create table modelfactory.payments (
    job_id text primary key references modelfactory.jobs (id),
    -- What is ordered; its digest names it on chain.
    plan jsonb not null,
    job_digest text not null unique,
    pay_by_ms bigint not null,
    -- unpaid, expired, open, cancelled, succeeded, failed, stopped, refunded
    state text not null,
    escrow_id text unique,
    payer text,
    amount_wei numeric(78,0),
    operator_wei numeric(78,0),
    payer_wei numeric(78,0),
    -- How far a job was when its payer cancelled, and the blob that shows it; what was delivered where it was not.
    done_steps bigint,
    evidence text
  );
  create index payments_unpaid on modelfactory.payments (pay_by_ms) where state = 'unpaid';
  `,
  // Engine, runtime and processor that trained the checkpoint: where whoever checks it has the same, it has to come out byte for byte.
  `
  alter table modelfactory.payments add column engine text;
  `,
  // When a job's release is signed. What was being released while this was added may be on chain already, under the time it had until then.
  `
  alter table modelfactory.jobs add column signed_at_ms bigint;
  update modelfactory.jobs set signed_at_ms = created_at_ms where state = 'releasing';
  `,
  // What is said of a job's recipe before it starts, as its first events have it.
  `
  alter table modelfactory.jobs add column warnings jsonb not null default '[]';
  update modelfactory.jobs set warnings = (
    select coalesce(jsonb_agg(e.data order by e.id), '[]') from modelfactory.events e where e.job_id = jobs.id and e.kind = 'warning');
  `,
  // Whose examples a release was trained on, and how many of each: [{contributor, examples}]. Null until it is asked for, where a release is older than this.
  `
  alter table modelfactory.releases add column given jsonb;
  `,
  // Whose payment a job waits for; null: anyone's.
  `
  alter table modelfactory.payments add column for_payer text;
  `,
];

export const migrateModelFactory = (database: Database) => database.migrate("modelfactory", migrations);
