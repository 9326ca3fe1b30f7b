/** A model is made and asked, its answer is settled, and whoever watches the stream hears of all of it, once, and nothing private. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { makePaidAnswer } from "./fixtures/paid-answer.ts";
import { openNode, readConfig } from "./index.ts";

const baseModel = fileURLToPath(new URL("../engine/fixtures/llama-untied", import.meta.url));
const home = mkdtempSync(join(tmpdir(), "openledger-events-"));
const config = { port: 0, baseModel, threads: 1, settleEveryMs: 0, settlementWindowSeconds: 1 };
let node = await openNode(readConfig(home, config));
after(async () => {
  await node.close();
  rmSync(home, { recursive: true, force: true });
});

type Seen = { id: number; topic: string; kind: string; data: Record<string, unknown>; text: string };

/** Reads from `after` on until an event is what is waited for; then the connection is cut. */
async function watch(after: number | undefined, until: (seen: Seen) => boolean): Promise<Seen[]> {
  const stop = new AbortController();
  const headers = after === undefined ? {} : { "last-event-id": String(after) };
  const response = await fetch(`${node.url}/v1/events`, { headers, signal: stop.signal });
  assert.equal(response.headers.get("content-type"), "text/event-stream; charset=utf-8");
  const seen: Seen[] = [];
  let text = "";
  for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
    const blocks = (text + part).split("\n\n");
    text = blocks.pop() as string;
    for (const block of blocks) {
      const found = /id: (\d+)\nevent: (\w+)\ndata: (.*)/.exec(block);
      if (found === null) continue;
      const [, id, topic = "", line = ""] = found;
      const { kind, ...data } = JSON.parse(line);
      const event = { id: Number(id), topic, kind, data, text: line };
      seen.push(event);
      if (!until(event)) continue;
      stop.abort();
      return seen;
    }
  }
  throw new Error("the stream ended");
}

test("from contribution to a final batch: all topics, in one stream that is cut twice", {
  timeout: 120_000,
}, async () => {
  const [start] = await watch(undefined, ({ topic }) => topic === "ready");
  assert.ok(start !== undefined);
  const trained = watch(start.id, ({ topic, data }) => topic === "jobs" && data.state === "succeeded");
  const { receiptId, releaseId, people } = await makePaidAnswer(node);
  const seen = await trained;
  const place = () => seen.at(-1)?.id;
  // While nobody watches, a restart, and then what it missed.
  await node.settlement.settleNow();
  await node.close();
  node = await openNode(readConfig(home, config));
  seen.push(...(await watch(place(), ({ topic, kind }) => topic === "answers" && kind === "batched")));
  await node.network.chain.scheduleBlockAt(Math.ceil(Date.now() / 1_000) + 2);
  seen.push(...(await watch(place(), ({ topic, kind }) => topic === "answers" && kind === "final")));

  const events = seen.filter(({ topic }) => topic !== "ready");
  assert.ok(!events.some(({ topic }) => topic === "reset"));
  assert.deepEqual(
    events.map(({ id }) => id),
    events.map((_, i) => (events[0] as Seen).id + i),
    "no event is missing and none comes twice",
  );
  const of = (topic: string, kind: string) =>
    events.filter((event) => event.topic === topic && event.kind === kind);
  assert.deepEqual(
    of("datanets", "contributed").map(({ data }) => [
      people.get(data.contributor as never),
      data.accepted,
      data.split,
    ]),
    [
      ["ada", 12, "train"],
      ["cy", 5, "train"],
      ["bo", 12, "train"],
      ["dan", 24, "heldout"],
    ],
  );
  assert.equal(of("datanets", "DatanetCreated").length, 1);
  assert.equal(of("datanets", "VersionPublished").length, 1);
  const [published] = of("models", "ReleasePublished");
  assert.equal(
    (published?.data.arguments as { release?: { releaseId: string } } | undefined)?.release?.releaseId,
    releaseId,
  );
  const states = of("jobs", "state").map(({ data }) => data.state);
  assert.deepEqual([states[0], states.at(-1)], ["training", "succeeded"]);
  assert.ok(of("jobs", "step").length > 0);
  const [scored, ...others] = of("answers", "scored");
  assert.deepEqual(
    [scored?.data.receiptId, scored?.data.releaseId, others.length],
    [receiptId, releaseId, 0],
  );
  assert.equal(scored?.data.feeWei, scored?.data.paidWei);
  assert.match(String(scored?.data.feeWei), /^[1-9]\d*$/);
  for (const kind of ["batched", "final"])
    assert.deepEqual(
      of("answers", kind).map(({ data }) => data.receiptIds),
      [[receiptId]],
      kind,
    );
  assert.equal(of("batches", "BatchSettled").length, 1);
  const blocks = of("blocks", "mined").map(({ data }) => data as { from: number; to: number });
  for (const [i, { from }] of blocks.entries())
    if (i > 0) assert.equal(from, (blocks[i - 1] as { to: number }).to + 1, "every block is in one event");
  const everything = events.map(({ text }) => text).join("\n");
  for (const secret of ["adab7", "gem hug", "fed ink", home]) assert.ok(!everything.includes(secret), secret);
});
