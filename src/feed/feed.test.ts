import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect } from "node:net";
import { after, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { createAdaptorServer } from "@hono/node-server";
import fc from "fast-check";
import { type Database, openScratchDatabase } from "../store/index.ts";
import type { Source, Topic } from "./event.ts";
import { feedRoutes } from "./routes.ts";
import { type FeedLimits, openFeed } from "./service.ts";

const database = await openScratchDatabase();
const open = new Set<() => Promise<void>>();
after(async () => {
  for (const close of open) await close();
  await database.close();
});
await database.query("create schema test");
await database.query(
  "create table test.happened (id bigint generated always as identity primary key, topic text not null, text text not null)",
);
const happen = (topic: Topic, count = 1, text = "") =>
  database.query(
    "insert into test.happened (topic, text) select $1, coalesce(nullif($3, ''), n::text) from generate_series(1, $2::int) n",
    [topic, count, text],
  );

/** A room's durable rows, as the rooms have them. */
const rows = (name: string, topic: Topic): Source => ({
  name,
  async read(cursor, limit) {
    const found = await database.query<{ id: number; text: string }>(
      "select id, text from test.happened where topic = $1 and id > $2 order by id limit $3",
      [topic, cursor ?? 0, limit],
    );
    const events = cursor === null ? [] : found;
    const head = cursor === null ? 0 : (found.at(-1)?.id ?? cursor);
    return {
      events: events.map(({ id, text }) => ({ topic, kind: "row", atMs: 1, data: { row: id, text } })),
      cursor: head,
      more: events.length === limit,
    };
  },
});
const sources = [rows("a", "answers"), rows("b", "batches")];

async function serve(
  limits: Partial<FeedLimits> = {},
  from: readonly Source[] = sources,
  over: Database = database,
) {
  const warnings: string[] = [];
  const feed = await openFeed({
    ...{ database: over, sources: from, limits: { everyMs: 5, ...limits } },
    log: (_, message) => warnings.push(message),
  });
  await feed.drain();
  const server = createAdaptorServer({ fetch: feedRoutes(feed).fetch });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const close = async () => {
    open.delete(close);
    feed.endStreams();
    const closed = once(server, "close");
    server.close();
    await closed;
    await feed.close();
  };
  open.add(close);
  return { feed, port, url: `http://127.0.0.1:${port}/v1/events`, warnings, close };
}

type Seen = { id: string; event: string; data: Record<string, unknown> };

/** Events until `enough` says so, or the end; then the connection is cut. */
async function read(
  url: string,
  enough: (seen: Seen[], lastId: string) => boolean,
  headers: Record<string, string> = {},
): Promise<{ seen: Seen[]; lastId: string }> {
  const stop = new AbortController();
  const seen: Seen[] = [];
  let lastId = headers["last-event-id"] ?? "";
  let text = "";
  try {
    const response = await fetch(url, { headers, signal: stop.signal });
    assert.equal(response.status, 200, url);
    for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
      text += part;
      for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
        const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(text.slice(0, end))?.[1];
        lastId = field("id") ?? lastId;
        const data = field("data");
        if (data !== undefined)
          seen.push({ id: lastId, event: field("event") ?? "", data: JSON.parse(data) });
        text = text.slice(end + 2);
        if (enough(seen, lastId)) return { seen, lastId };
      }
    }
  } catch (error) {
    if (!stop.signal.aborted && (error as Error).message !== "terminated") throw error;
  } finally {
    stop.abort();
  }
  return { seen, lastId };
}
/** Where the stream is now. */
const placeOf = async (url: string) => (await read(url, (seen) => seen.length > 0)).lastId;
const told = (seen: Seen[]) => seen.filter(({ event }) => event !== "ready");
const rowsOf = (seen: Seen[]) => told(seen).map(({ data }) => data.row);
const everyRow = async (since = 0) =>
  (
    await database.query<{ id: number }>("select id from test.happened where id > $1 order by id", [since])
  ).map(({ id }) => id);
const lastRow = async () => (await everyRow()).at(-1) ?? 0;

test("however often the connection is cut, and the node restarted, nothing is lost and nothing comes twice", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ happens: fc.nat(30), reads: fc.nat(40), restart: fc.boolean() }), {
        minLength: 2,
        maxLength: 6,
      }),
      async (rounds) => {
        let node = await serve({ tail: 20 });
        const since = await lastRow();
        let lastId = await placeOf(node.url);
        const seen: Seen[] = [];
        for (const { happens, reads, restart } of rounds) {
          // Some while nobody is connected, some while somebody reads.
          await happen("answers", happens);
          if (restart) {
            await node.close();
            node = await serve({ tail: 20 });
          }
          node.feed.wake();
          const during = happen("batches", happens).then(() => node.feed.drain());
          const part = await read(node.url, (soFar) => soFar.length > Math.min(reads, 2 * happens), {
            "last-event-id": lastId,
          });
          await during;
          seen.push(...told(part.seen));
          ({ lastId } = part);
        }
        const whole = await everyRow(since);
        if (seen.length < whole.length) {
          const rest = await read(node.url, (soFar) => told(soFar).length === whole.length - seen.length, {
            "last-event-id": lastId,
          });
          seen.push(...told(rest.seen));
        }
        await node.close();
        const ids = seen.map(({ id }) => Number(id));
        assert.deepEqual(
          ids,
          Array.from(ids, (_, i) => ids[0]! + i),
          "ids count without a gap",
        );
        assert.deepEqual(
          seen.map(({ data }) => data.row as number).sort((a, b) => a - b),
          whole,
        );
      },
    ),
    { numRuns: 6 },
  );
});

test("a source that fails is tried again, and nothing of it is lost", async () => {
  let fails = true;
  const shaky: Source = {
    ...rows("a", "answers"),
    read: (...given) => (fails ? Promise.reject(new Error("not now")) : rows("a", "answers").read(...given)),
  };
  const node = await serve({}, [shaky, sources[1]!]);
  const place = await placeOf(node.url);
  await happen("answers", 2);
  await happen("batches", 1);
  await node.feed.drain();
  fails = false;
  await node.feed.drain();
  const { seen } = await read(node.url, (soFar) => told(soFar).length === 3, { "last-event-id": place });
  assert.deepEqual(
    told(seen).map(({ event }) => event),
    ["batches", "answers", "answers"],
  );
  assert.equal(node.warnings.length, 1);
  assert.match(node.warnings[0] ?? "", /does not follow a: not now/);
  await node.close();
});

test("whoever is too far behind, or of another log, is told to begin again", async () => {
  const node = await serve({ kept: 10, tail: 5 });
  await happen("answers", 4);
  await node.feed.drain();
  const lastId = await placeOf(node.url);
  await happen("answers", 10);
  await node.feed.drain();
  const back = await read(node.url, (seen) => told(seen).length === 10, { "last-event-id": lastId });
  assert.equal(back.seen[0]?.event, "ready");
  assert.equal(told(back.seen).length, 10, "as many as are kept");
  for (const id of [String(Number(lastId) - 1), "999999999", "x", "-1"]) {
    const { seen } = await read(node.url, (soFar) => soFar.length > 0, { "last-event-id": id });
    assert.equal(seen[0]?.event, "reset", id);
    assert.equal(seen[0]?.id, String(Number(lastId) + 10));
  }
  assert.equal((await fetch(`${node.url}?after=x`)).status, 400);
  assert.equal((await fetch(`${node.url}?topics=secrets`)).status, 400);
  await node.close();
});

test("who wants one topic hears of that one, and does not fall behind by the others", async () => {
  const node = await serve({ kept: 10, heartbeatMs: 50 });
  const listens = Promise.withResolvers<void>();
  let headNow = "";
  const reading = read(`${node.url}?topics=batches`, (_, lastId) => {
    listens.resolve();
    return lastId === headNow;
  });
  await listens.promise;
  await happen("batches", 1);
  await happen("answers", 25);
  await node.feed.drain();
  headNow = await placeOf(node.url);
  const { seen, lastId } = await reading;
  assert.deepEqual(
    told(seen).map(({ event }) => event),
    ["batches"],
  );
  const again = await read(`${node.url}?topics=batches&after=${lastId}`, (soFar) => soFar.length > 0);
  assert.equal(again.seen[0]?.event, "ready", "heartbeats carried the place");
  await node.close();
});

test("a reader that does not read is cut, and holds nobody up", async () => {
  const node = await serve({ stallMs: 1_500, heartbeatMs: 100 });
  const socket = connect(node.port, "127.0.0.1");
  socket.write("GET /v1/events HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n");
  await once(socket, "data");
  socket.pause();
  const cut = once(
    socket.on("error", () => {}),
    "close",
  );
  const place = await placeOf(node.url);
  const since = await lastRow();
  await happen("answers", 4_000, "x".repeat(6_000));
  await node.feed.drain();
  const { seen } = await read(node.url, (soFar) => told(soFar).length === 4_000, { "last-event-id": place });
  assert.deepEqual(rowsOf(seen), await everyRow(since));
  for (let i = 0; i < 50 && node.feed.count() > 0; i++) await pause(100);
  assert.equal(node.feed.count(), 0, "nobody is left");
  socket.resume();
  await cut;
  await node.close();
});

test("readers are bounded, in all and of one address, and make room when they leave", async () => {
  const feed = await openFeed({ database, sources: [], limits: { readers: 3, readersPerAddress: 2 } });
  const app = feedRoutes(feed);
  const from = (remoteAddress: string) =>
    app.request("/v1/events", {}, { incoming: { socket: { remoteAddress } } });
  const streams = [await from("192.0.2.1"), await from("192.0.2.1")];
  const third = await from("192.0.2.1");
  assert.deepEqual([third.status, third.headers.get("retry-after")], [429, "10"]);
  streams.push(await from("192.0.2.2"));
  assert.equal((await from("192.0.2.3")).status, 503);
  assert.equal(feed.count(), 3);
  await streams[0]?.body?.cancel();
  assert.equal((await from("192.0.2.1")).status, 200);
  await feed.close();
  assert.equal(feed.count(), 0);
});

test("one subscriber's IPv6 addresses are one reader's: having many does not take others' places", async () => {
  const feed = await openFeed({ database, sources: [], limits: { readers: 3, readersPerAddress: 2 } });
  const app = feedRoutes(feed);
  const from = async (remoteAddress: string) =>
    (await app.request("/v1/events", {}, { incoming: { socket: { remoteAddress } } })).status;
  const asked = [await from("2001:db8::1"), await from("2001:db8::2"), await from("2001:db8:0:0:7::3")];
  assert.deepEqual([...asked, await from("2001:db8:0:1::1")], [200, 200, 429, 200]);
  await feed.close();
});

test("data that are too long are left out, and said to be", async () => {
  const node = await serve();
  const place = await placeOf(node.url);
  await happen("answers", 1, "y".repeat(9_000));
  await node.feed.drain();
  const { seen } = await read(node.url, (soFar) => told(soFar).length === 1, { "last-event-id": place });
  const [event] = told(seen);
  assert.deepEqual(event?.data, { kind: "row", atMs: 1, tooLong: true });
  await node.close();
});
