/** Of the room's schema, after what stands there before. */
export const accessMigrations = (weiColumn: string): string[] => [
  `alter table datanets.datanets add column access jsonb not null default '{"kind":"public"}';
   -- Who asked to read, under which terms, and what the owner decided.
   create table datanets.readers (
     datanet_id ${weiColumn} not null references datanets.datanets,
     reader text not null,
     terms_digest text not null,
     signature text not null,
     purpose text not null,
     state text not null check (state in ('asked', 'admitted', 'refused')),
     reason text,
     asked_at_ms bigint not null,
     decided_at_ms bigint,
     primary key (datanet_id, reader)
   );
   -- A signed request opens one pass, so that who overhears it cannot open another.
   create table datanets.passes (
     digest text primary key,
     request_digest text not null unique,
     datanet_id ${weiColumn} not null references datanets.datanets,
     reader text not null,
     expires_at_ms bigint not null
   );
   -- What was read, by the hour, so that nobody fills it.
   create table datanets.reads (
     datanet_id ${weiColumn} not null references datanets.datanets,
     version int not null,
     reader text not null,
     what text not null,
     hour_ms bigint not null,
     times bigint not null,
     primary key (datanet_id, version, reader, what, hour_ms)
   );
   create index reads_by_hour on datanets.reads (datanet_id, hour_ms);`,
];
