import type { Database } from "../store/index.ts";
import type { Cursor, FeedEvent, LoggedEvent } from "./event.ts";

/**
 * The log lies in the database, not in memory: a page that was open before the node was restarted goes on where it was, and the sources' cursors
 * stand beside the events that they gave. The oldest go.
 */
const migrations = [
  `create table feed.events (
     id bigint primary key,
     topic text not null,
     kind text not null,
     at_ms bigint not null,
     data jsonb not null
   );
   create table feed.cursors (
     source text primary key,
     cursor jsonb not null
   );`,
];

export type FeedLog = {
  /** The newest event's id, 0 before the first. */
  head(): number;
  /** The oldest id that is kept. */
  oldest(): number;
  cursor(source: string): Cursor | null;
  /** Takes events and the cursor they lead to, both or none. */
  append(source: string, cursor: Cursor, events: readonly FeedEvent[]): Promise<LoggedEvent[]>;
  /** Those after an id, oldest first. */
  after(id: number, limit: number): Promise<LoggedEvent[]>;
};

/** What one event may take; larger data are left out, and `data` says so. */
const dataCharactersMax = 8_192;

/** @param kept events that are kept */
export async function openLog(database: Database, kept: number): Promise<FeedLog> {
  await database.migrate("feed", migrations);
  const [ends] = await database.query<{ head: number; oldest: number }>(
    "select coalesce(max(id), 0) as head, coalesce(min(id), 1) as oldest from feed.events",
  );
  let { head, oldest } = ends as { head: number; oldest: number };
  const rows = await database.query<{ source: string; cursor: Cursor }>(
    "select source, cursor from feed.cursors",
  );
  const cursors = new Map(rows.map(({ source, cursor }) => [source, cursor]));
  return {
    head: () => head,
    oldest: () => oldest,
    cursor: (source) => cursors.get(source) ?? null,
    async append(source, cursor, events) {
      const logged = events.map((event, at) => ({ ...event, data: bounded(event.data), id: head + 1 + at }));
      const last = head + events.length;
      await database.transaction(async (tx) => {
        if (logged.length > 0)
          await tx.query(
            `insert into feed.events (id, topic, kind, at_ms, data)
             select id, topic, kind, "atMs", data from jsonb_to_recordset($1::jsonb)
               as e(id bigint, topic text, kind text, "atMs" bigint, data jsonb)`,
            [JSON.stringify(logged)],
          );
        await tx.query("delete from feed.events where id <= $1", [last - kept]);
        await tx.query(
          `insert into feed.cursors (source, cursor) values ($1, $2)
           on conflict (source) do update set cursor = excluded.cursor`,
          [source, JSON.stringify(cursor)],
        );
      });
      cursors.set(source, cursor);
      head = last;
      oldest = Math.max(oldest, last - kept + 1);
      return logged;
    },
    after: (id, limit) =>
      database.query<LoggedEvent>(
        `select id, topic, kind, at_ms as "atMs", data from feed.events where id > $1 order by id limit $2`,
        [id, limit],
      ),
  };
}

function bounded(data: FeedEvent["data"]): FeedEvent["data"] {
  return JSON.stringify(data).length <= dataCharactersMax ? data : { tooLong: true };
}
