/** Of the room's schema, after what stands there before. */
export const curationMigrations: readonly string[] = [
  `-- How many curators look at each row before it counts; null: what passes the checks counts at once.
   alter table datanets.datanets add column review_overlap int;
   -- What was committed on chain before anybody here saw the texts.
   alter table datanets.contributions add column salt text, add column committed_at bigint;
   alter table datanets.rows drop constraint rows_status_check;
   alter table datanets.rows add constraint rows_status_check
     check (status in ('accepted', 'duplicate', 'near-duplicate', 'refused', 'pending', 'rejected'));
   create index rows_pending on datanets.rows (datanet_id, id) where status = 'pending';
   create table datanets.reviews (
     row_id bigint not null references datanets.rows,
     curator text not null,
     decision text not null check (decision in ('accept', 'reject')),
     reason text not null,
     -- How the curator would have it: the contributor's to give, under a consent to the new text.
     proposal text,
     reviewed_at_ms bigint not null,
     primary key (row_id, curator)
   );
   -- Who is looking at which row, so that no two do while enough others wait.
   create table datanets.assignments (
     row_id bigint not null references datanets.rows,
     curator text not null,
     until_ms bigint not null,
     primary key (row_id, curator)
   );
   create index reviews_by_curator on datanets.reviews (curator);`,
];
