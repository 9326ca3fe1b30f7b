import assert from "node:assert/strict";
import { readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import type { Hex } from "viem";
import { ChainLogError } from "./errors.ts";
import { temporaryFolder } from "./fixtures/chain.ts";
import { fullDisk } from "./fixtures/disk.ts";
import { newHeader, totalSupplyWei } from "./genesis.ts";
import { type BlockLog, openLog, type TornTail } from "./log.ts";
import { decodeRecord, encodeFrame, encodeRecord, type LogRecord } from "./record.ts";

const holder = "0x0000000000000000000000000000000000000001";
const header = () =>
  newHeader({ genesis: { [holder]: totalSupplyWei }, feeCollector: holder }, 1_700_000_000_000);

function block(blockNumber: number, transactions: Hex[] = [`0x02${"ab".repeat(100)}`]): LogRecord {
  return {
    kind: "block",
    blockNumber,
    timestampSec: 1_700_000_000 + blockNumber,
    parentHash: `0x${"11".repeat(32)}`,
    transactions,
  };
}

async function replayed(log: BlockLog): Promise<{ records: LogRecord[]; torn: TornTail[] }> {
  const torn: TornTail[] = [];
  const records: LogRecord[] = [];
  for await (const { record } of log.replay((tail) => torn.push(tail))) records.push(record);
  return { records, torn };
}

/** A log of `count` blocks; returns the offsets at which its records end. */
async function writeLog(path: string, count: number): Promise<number[]> {
  const log = await openLog(path, header);
  await replayed(log);
  const ends = [log.bytes()];
  for (let i = 1; i <= count; i++) {
    await log.append(block(i));
    ends.push(log.bytes());
  }
  await log.close();
  return ends;
}

const hexBytes = (length: number) =>
  fc
    .uint8Array({ minLength: length, maxLength: length })
    .map((bytes): Hex => `0x${Buffer.from(bytes).toString("hex")}`);

test("any record is read back as it was written", () => {
  const record: fc.Arbitrary<LogRecord> = fc.oneof(
    fc.record({
      kind: fc.constant("block" as const),
      blockNumber: fc.maxSafeNat(),
      timestampSec: fc.maxSafeNat(),
      parentHash: hexBytes(32),
      transactions: fc.array(
        fc.uint8Array({ maxLength: 300 }).map((bytes): Hex => `0x${Buffer.from(bytes).toString("hex")}`),
        { maxLength: 8 },
      ),
    }),
    fc.record({ kind: fc.constant("void" as const), blockNumber: fc.maxSafeNat() }),
    fc.record({ kind: fc.constant("deadline" as const), timestampSec: fc.maxSafeNat() }),
    fc.record({ kind: fc.constant("seal" as const), blockNumber: fc.maxSafeNat(), blockHash: hexBytes(32) }),
    fc.record({ kind: fc.constant("engine" as const), engine: fc.string() }),
  );
  fc.assert(
    fc.property(record, (value) => assert.deepEqual(decodeRecord(encodeRecord(value)), { ...value })),
  );
});

test("a log cut at any byte of its last record loses that record only, keeps its bytes, and goes on", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "blocks.log");
  const ends = await writeLog(path, 3);
  const whole = readFileSync(path);
  const [from, to] = [ends[2]!, ends[3]!];
  for (let cut = from + 1; cut < to; cut += 7) {
    writeFileSync(path, whole.subarray(0, cut));
    const log = await openLog(path, header);
    const { records, torn } = await replayed(log);
    assert.deepEqual(records, [block(1), block(2)]);
    assert.equal(torn.length, 1);
    assert.deepEqual([torn[0]!.recordNumber, torn[0]!.offset, torn[0]!.bytes], [3, from, cut - from]);
    assert.deepEqual(readFileSync(torn[0]!.savedAs), whole.subarray(from, cut));
    await log.append(block(9));
    await log.close();
    const again = await openLog(path, header);
    assert.deepEqual((await replayed(again)).records, [block(1), block(2), block(9)]);
    await again.close();
  }
});

test("a last record whose pages never reached the disk, so that zeros stand there, is torn too", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "blocks.log");
  const ends = await writeLog(path, 3);
  const bytes = readFileSync(path);
  bytes.fill(0, ends[2]! + 20);
  writeFileSync(path, bytes);
  const log = await openLog(path, header);
  const { records, torn } = await replayed(log);
  assert.equal(records.length, 2);
  assert.equal(torn.length, 1);
  await log.close();
});

test("any changed byte before the last record refuses to start, naming record, offset and remedy, and changes nothing", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "blocks.log");
  const ends = await writeLog(path, 3);
  const whole = readFileSync(path);
  for (let at = 0; at < ends[2]!; at += 5) {
    const bytes = Buffer.from(whole);
    bytes[at]! ^= 0x40;
    writeFileSync(path, bytes);
    const record = ends.findIndex((end) => at < end);
    const offset = record === 0 ? 0 : ends[record - 1];
    const attempt = async () => {
      const log = await openLog(path, header);
      try {
        await replayed(log);
      } finally {
        await log.close();
      }
    };
    await assert.rejects(attempt(), (error) => {
      assert.ok(error instanceof ChainLogError, String(error));
      assert.match(
        error.message,
        new RegExp(`damaged at record ${record}, byte ${offset}: .*Restore the file from a backup`),
      );
      return true;
    });
    assert.deepEqual(readFileSync(path), bytes);
  }
  assert.deepEqual(readdirSync(folder.path), ["blocks.log"]);
});

test("a record that is missing from the middle is noticed", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "blocks.log");
  const ends = await writeLog(path, 3);
  const whole = readFileSync(path);
  writeFileSync(path, Buffer.concat([whole.subarray(0, ends[0]), whole.subarray(ends[1])]));
  const log = await openLog(path, header);
  await assert.rejects(replayed(log), /damaged at record 1, byte \d+: .*record 2 is whole/);
  await log.close();
});

test("a transaction that carries the bytes of a record cannot pass for one", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "blocks.log");
  const forged = encodeFrame(encodeRecord(block(7)), 4, `0x${"00".repeat(16)}`);
  const log = await openLog(path, header);
  await replayed(log);
  await log.append(block(1));
  const end = log.bytes();
  await log.append(block(2, [`0x${forged.toString("hex")}`]));
  await log.close();
  truncateSync(path, log.bytes() - 1);
  const again = await openLog(path, header);
  const { records, torn } = await replayed(again);
  assert.deepEqual(records, [block(1)]);
  assert.equal(torn[0]!.offset, end);
  await again.close();
});

test("a full disk: the append fails, nothing of it stays, and the next one succeeds", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "blocks.log");
  const disk = { room: Infinity };
  const log = await openLog(path, header, (file) => fullDisk(file, disk));
  await replayed(log);
  await log.append(block(1));
  const end = log.bytes();
  for (const room of [0, 1, 50]) {
    disk.room = room;
    await assert.rejects(log.append(block(2)), { code: "ENOSPC" });
    assert.equal(readFileSync(path).length, end);
  }
  disk.room = Infinity;
  await log.append(block(2));
  await log.close();
  const again = await openLog(path, header);
  const { records, torn } = await replayed(again);
  assert.deepEqual([records, torn], [[block(1), block(2)], []]);
  await again.close();
});

test("an append is done only when the disk has said so", async () => {
  using folder = temporaryFolder();
  const steps: string[] = [];
  const log = await openLog(join(folder.path, "blocks.log"), header, async (path) => {
    const file = await fullDisk(path, { room: Infinity });
    const { write, datasync } = file;
    return Object.assign(file, {
      write: async (...args: Parameters<typeof write>) => {
        steps.push("write");
        return write(...args);
      },
      datasync: async () => {
        steps.push("sync starts");
        await new Promise((resolve) => setTimeout(resolve, 20));
        await datasync();
        steps.push("sync ends");
      },
    });
  });
  await replayed(log);
  await log.append(block(1));
  steps.push("appended");
  assert.deepEqual(steps, ["write", "sync starts", "sync ends", "appended"]);
  await log.close();
});
