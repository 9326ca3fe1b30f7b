/** Scans of synthetic indexes, and reading the same bytes, in turns: in a process of its own, since they fill the memory. */
import {
  createExplainWriter,
  createInt16Scan,
  type ExplainPlan,
  explainBytes,
  explainRowBytes,
  openExplainIndex,
} from "../../src/attribution/index.ts";
import { createRandom } from "../../src/engine/index.ts";
import { serveChild } from "../common/child.ts";
import { median, rounded } from "../common/measure.ts";

export type ScanShape =
  | { kind: "pay"; rows: number; columns: number; rounds: number }
  | { kind: "explain"; plan: ExplainPlan; rounds: number };

/** The thread's own time: another program's turns on the core are not the scan's. */
const threadMs = () => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
};

/** Some systems count a thread's time in steps of four milliseconds: what is timed lasts fifty of them. */
const leastMs = 200;

/** A scan and a read of the same bytes, one after the other, again and again. */
function compare(rows: number, bytes: number, rounds: number, scan: () => void, read: () => void) {
  const timed = (work: () => void, times: number) => {
    const [wall, cpu] = [performance.now(), threadMs()];
    for (let i = 0; i < times; i++) work();
    return { wall: (performance.now() - wall) / times, cpu: (threadMs() - cpu) / times };
  };
  timed(scan, 1);
  const times = Math.ceil(leastMs / Math.max(1, timed(read, 1).wall));
  const turns = Array.from({ length: rounds }, () => ({
    read: timed(read, times),
    scan: timed(scan, times),
  }));
  const cpu = median(turns.map((turn) => turn.scan.cpu));
  const readCpu = median(turns.map((turn) => turn.read.cpu));
  return {
    rows,
    bytes,
    queryMs: rounded(cpu, 3),
    wallMs: rounded(median(turns.map((turn) => turn.scan.wall)), 3),
    rowsPerSec: Math.round((rows / cpu) * 1000),
    gigabytesPerSec: rounded(bytes / cpu / 1e6, 2),
    readGigabytesPerSec: rounded(bytes / readCpu / 1e6, 2),
    bandwidthRatio: rounded(median(turns.map((turn) => turn.read.cpu / turn.scan.cpu)), 3),
  };
}

/** A few random rows stand for all: what they hold does not change how long they take. */
const distinct = 64;

function scanPay({ rows, columns, rounds }: { rows: number; columns: number; rounds: number }) {
  const random = createRandom(3);
  const row = () => Int16Array.from({ length: columns }, () => random.below(65_535) - 32_767);
  const few = Array.from({ length: distinct }, row);
  const scan = createInt16Scan({ rows, columns, row: (i) => few[i % distinct] as Int16Array });
  const query = row();
  return compare(
    rows,
    scan.bytes,
    rounds,
    () => scan.scores(query),
    () => scan.read(),
  );
}

function scanExplain({ plan, rounds }: { plan: ExplainPlan; rounds: number }) {
  const random = createRandom(4);
  const normal = () => Float32Array.from({ length: plan.width }, () => random.normal());
  const parts: Uint8Array[] = [];
  const writer = createExplainWriter({ ...plan, rows: distinct }, (bytes) => parts.push(bytes));
  for (let i = 0; i < distinct; i++) writer.add(normal());
  writer.end();
  const [header, ...few] = parts as [Uint8Array, ...Uint8Array[]];
  new DataView(header.buffer, header.byteOffset).setUint32(8, plan.rows, true);
  const size = explainRowBytes(plan);
  const index = openExplainIndex(explainBytes(plan), (position) =>
    position === 0 ? header : (few[((position - header.length) / size) % distinct] as Uint8Array),
  );
  const query = normal();
  return compare(
    plan.rows,
    index.scan.bytes,
    rounds,
    () => index.scores(query),
    () => index.scan.read(),
  );
}

export type Scanned = ReturnType<typeof compare>;
export type ScanMethods = { scan(shape: ScanShape): Scanned };

serveChild({
  scan: (shape: ScanShape) => (shape.kind === "pay" ? scanPay(shape) : scanExplain(shape)),
} satisfies ScanMethods);
