/**
 * A node under load: is every answer there, and does it hold on to nothing?
 *
 *   ./openledger bench load [--json] [--seconds 60] [--clients 64] [--adapters 8]
 *
 * Starts `openledger up` on a temporary home with the model that ships, loads random adapters into it, and asks it over HTTP with many
 * clients at once, each going on as soon as it is answered: base model and adapters in turn, every other answer streamed, a tenth of
 * the streams left by their reader in the middle.
 *
 * Exit code 1 when a request ends in an error other than 429 (too many wait: the client obeys `Retry-After`), when a stream ends
 * without its `[DONE]`, when memory in the last quarter is more than 5 % above the second quarter's, or when something is still held
 * at the end.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { Agent, request as httpRequest, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createRandom, parseConfig } from "../src/engine/index.ts";
import { machine, median, note, quantile, rounded, scratchFolder, sleep } from "./common/measure.ts";
import { createAdapterMaker, qv } from "./openlora/material.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const baseName = "openledger-tiny";
const baseFolder = join(root, "models", baseName);
const growthMax = 1.05;
/** Longer than a node's queue makes anybody wait. */
const requestTimeoutMs = 60_000;

type Options = { seconds: number; clients: number; adapters: number; maxTokens: number };

type Node = { url: string; token: string; child: ChildProcess };

async function startNode(home: string): Promise<Node> {
  const child = spawn(
    process.execPath,
    [join(root, "src", "cli", "bin.ts"), "up", "--home", home, "--port", "0", "--json"],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const [line] = await Promise.race([
    once(child.stdout!, "data"),
    once(child, "exit").then(([code]) => Promise.reject(new Error(`the node ended with exit code ${code}`))),
  ]);
  const { url } = JSON.parse(String(line)) as { url: string };
  return { url, token: readFileSync(join(home, "operator-token"), "utf8").trim(), child };
}

/** Writes random PEFT folders for the model that ships, and has the node serve them. @returns their names */
async function loadAdapters(node: Node, folder: string, count: number): Promise<string[]> {
  const config = parseConfig(JSON.parse(readFileSync(join(baseFolder, "config.json"), "utf8")));
  const maker = createAdapterMaker(config, qv, baseName);
  const names: string[] = [];
  for (let number = 0; number < count; number++) {
    const path = join(folder, `adapter-${number}`);
    mkdirSync(path);
    writeFileSync(join(path, "adapter_config.json"), maker.config);
    writeFileSync(join(path, "adapter_model.safetensors"), maker.tensors(number));
    const response = await fetch(`${node.url}/v1/load_lora_adapter`, {
      method: "POST",
      headers: { authorization: `Bearer ${node.token}`, "content-type": "application/json" },
      body: JSON.stringify({ lora_name: `load-${number}`, lora_path: path }),
    });
    if (!response.ok)
      throw new Error(`The node did not load adapter ${number}: ${response.status} ${await response.text()}`);
    names.push(`load-${number}`);
  }
  return names;
}

/** The node's gauges and counters without labels. */
async function readMetrics({ url, token }: Node): Promise<Map<string, number>> {
  const response = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${token}` } });
  const lines = (await response.text()).split("\n").filter((line) => /^openledger_\w+ \d/.test(line));
  return new Map(lines.map((line) => line.split(" ") as [string, string]).map(([k, v]) => [k, Number(v)]));
}

type Outcome = {
  status: number;
  streamed: boolean;
  /** The client went away on purpose. */
  left: boolean;
  /** A stream that was read to its end had its last line. */
  whole: boolean;
  ms: number;
  firstByteMs: number;
  retryAfterMs: number;
};

/** One request over a kept connection. */
function ask(
  node: Node,
  agent: Agent,
  body: { model: string; stream: boolean; seed: number; maxTokens: number },
  leave: boolean,
): Promise<Outcome> {
  const text = JSON.stringify({
    model: body.model,
    messages: [{ role: "user", content: `What does number ${body.seed} have to do with the valley?` }],
    max_tokens: body.maxTokens,
    seed: body.seed,
    stream: body.stream,
  });
  const startedAtMs = performance.now();
  return new Promise((resolve, reject) => {
    const sent = httpRequest(
      `${node.url}/v1/chat/completions`,
      {
        method: "POST",
        agent,
        headers: { "content-type": "application/json", "content-length": Buffer.byteLength(text) },
        timeout: requestTimeoutMs,
      },
      (response: IncomingMessage) => {
        let firstByteMs = 0;
        let answer = "";
        let left = false;
        const outcome = (): Outcome => ({
          status: response.statusCode ?? 0,
          streamed: body.stream,
          left,
          whole: !body.stream || response.statusCode !== 200 || answer.trimEnd().endsWith("data: [DONE]"),
          ms: performance.now() - startedAtMs,
          firstByteMs,
          retryAfterMs: Number(response.headers["retry-after"] ?? 1) * 1_000,
        });
        response.setEncoding("utf8");
        response.on("data", (piece: string) => {
          if (answer === "") firstByteMs = performance.now() - startedAtMs;
          answer += piece;
          if (leave && !left && answer.split("data: ").length > 4) {
            left = true;
            resolve(outcome());
            sent.destroy();
          }
        });
        response.on("end", () => resolve(outcome()));
        response.on("error", reject);
      },
    );
    sent.on("timeout", () => sent.destroy(new Error(`no answer within ${requestTimeoutMs} ms`)));
    sent.on("error", reject);
    sent.end(text);
  });
}

/** Clients that ask until the time is over. */
async function load(node: Node, models: readonly string[], options: Options) {
  const agent = new Agent({ keepAlive: true, maxSockets: options.clients });
  const untilMs = performance.now() + options.seconds * 1_000;
  const outcomes: Outcome[] = [];
  const errors: string[] = [];
  await Promise.all(
    Array.from({ length: options.clients }, async (_, client) => {
      const random = createRandom(client, 47);
      for (let turn = 0; performance.now() < untilMs; turn++) {
        const stream = (client + turn) % 2 === 0;
        const request = {
          model: models[random.below(models.length)]!,
          stream,
          seed: random.below(1_000_000),
          maxTokens: 1 + random.below(options.maxTokens),
        };
        try {
          const outcome = await ask(node, agent, request, stream && random.uniform() < 0.1);
          outcomes.push(outcome);
          if (outcome.status === 429)
            await sleep(Math.min(outcome.retryAfterMs, untilMs - performance.now()));
        } catch (error) {
          errors.push((error as Error).message);
        }
      }
    }),
  );
  agent.destroy();
  return { outcomes, errors };
}

/** Resident bytes of a process. Linux only; null elsewhere. */
function residentMiB(pid: number): number | null {
  try {
    const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return kib === undefined ? null : Number(kib) / 1_024;
  } catch {
    return null;
  }
}

/** Every second until stopped. */
function watchMemory(pid: number) {
  const samples: number[] = [];
  const timer = setInterval(() => {
    const mib = residentMiB(pid);
    if (mib !== null) samples.push(mib);
  }, 1_000);
  return {
    samples,
    stop: () => clearInterval(timer),
  };
}

/** The last quarter's median over the second quarter's: 1 is flat. */
export function growth(samples: readonly number[]): number | null {
  const quarter = Math.floor(samples.length / 4);
  if (quarter < 1) return null;
  return median(samples.slice(-quarter)) / median(samples.slice(quarter, 2 * quarter));
}

const heldAtEnd = [
  "openledger_openlora_running",
  "openledger_openlora_waiting",
  "openledger_openlora_loading",
  "openledger_openlora_adapters_leased",
  "openledger_inference_in_flight",
];

/** What is still held once nobody asks any more, after a moment for cancelled answers to end. */
async function settled(node: Node): Promise<Record<string, number>> {
  for (let attempt = 0; ; attempt++) {
    const metrics = await readMetrics(node);
    const held = Object.fromEntries(heldAtEnd.map((name) => [name, metrics.get(name) ?? Number.NaN]));
    if (attempt === 50 || Object.values(held).every((count) => count === 0)) return held;
    await sleep(100);
  }
}

async function measure(options: Options) {
  const on = machine();
  await using folder = scratchFolder("openledger-bench-load-");
  note("starting a node ...");
  const node = await startNode(join(folder.path, "home"));
  try {
    const adapters = await loadAdapters(node, folder.path, options.adapters);
    const models = [baseName, ...adapters];
    await load(node, models, { ...options, seconds: Math.min(5, options.seconds / 4) });
    const before = await readMetrics(node);
    note(`${options.clients} clients, ${models.length} models, ${options.seconds} s ...`);
    const memory = watchMemory(node.child.pid!);
    const startedAtMs = performance.now();
    const { outcomes, errors } = await load(node, models, options);
    const seconds = (performance.now() - startedAtMs) / 1_000;
    memory.stop();
    const held = await settled(node);
    const after = await readMetrics(node);
    const generated = "openledger_openlora_output_tokens_total";
    const done = outcomes.filter(({ status, left }) => status === 200 && !left);
    const times = (of: readonly Outcome[]) => ({
      p50: rounded(
        quantile(
          of.map(({ ms }) => ms),
          0.5,
        ) ?? Number.NaN,
        0,
      ),
      p95: rounded(
        quantile(
          of.map(({ ms }) => ms),
          0.95,
        ) ?? Number.NaN,
        0,
      ),
      p99: rounded(
        quantile(
          of.map(({ ms }) => ms),
          0.99,
        ) ?? Number.NaN,
        0,
      ),
    });
    const byStatus: Record<string, number> = {};
    for (const { status } of outcomes) byStatus[status] = (byStatus[status] ?? 0) + 1;
    const flat = growth(memory.samples);
    return {
      clients: options.clients,
      models: models.length,
      seconds: rounded(seconds, 1),
      requests: outcomes.length + errors.length,
      byStatus,
      connectionErrors: errors.length,
      firstErrors: [...new Set(errors)].slice(0, 5),
      brokenStreams: outcomes.filter(({ whole, left }) => !whole && !left).length,
      leftByClient: outcomes.filter(({ left }) => left).length,
      latencyMs: times(done),
      firstByteMsP50: rounded(
        quantile(
          done.filter(({ streamed }) => streamed).map(({ firstByteMs }) => firstByteMs),
          0.5,
        ) ?? Number.NaN,
        0,
      ),
      requestsPerSec: rounded(done.length / seconds, 1),
      tokPerSec: rounded(((after.get(generated) ?? 0) - (before.get(generated) ?? 0)) / seconds, 1),
      rssMiB: {
        first: rounded(memory.samples[0] ?? Number.NaN, 0),
        max: rounded(Math.max(...memory.samples), 0),
        last: rounded(memory.samples.at(-1) ?? Number.NaN, 0),
        samples: memory.samples.map((mib) => Math.round(mib)),
      },
      rssGrowth: flat === null ? null : rounded(flat, 3),
      heldAtEnd: held,
      bars: { errors: 0, rssGrowth: growthMax, held: 0 },
      machine: { ...on, loadAfter: machine().loadBefore },
    };
  } finally {
    const ended = once(node.child, "exit");
    node.child.kill("SIGTERM");
    await Promise.race([ended, sleep(20_000).then(() => node.child.kill("SIGKILL"))]);
    await ended;
  }
}

type Result = Awaited<ReturnType<typeof measure>>;

/** What a load test must not show, in words. */
export function complaints(
  result: Pick<Result, "byStatus" | "connectionErrors" | "brokenStreams" | "rssGrowth" | "heldAtEnd">,
): string[] {
  const found: string[] = [];
  for (const [status, count] of Object.entries(result.byStatus))
    if (status !== "200" && status !== "429")
      found.push(`${count} answers of status ${status}; expected 200 or 429.`);
  if (result.connectionErrors > 0)
    found.push(`${result.connectionErrors} requests had no answer; expected 0.`);
  if (result.brokenStreams > 0)
    found.push(`${result.brokenStreams} streams ended without [DONE]; expected 0.`);
  if (result.rssGrowth !== null && result.rssGrowth > growthMax)
    found.push(
      `Memory grew by ${result.rssGrowth} from the second quarter to the last; expected ${growthMax} at most.`,
    );
  for (const [name, count] of Object.entries(result.heldAtEnd))
    if (count !== 0) found.push(`${name} is ${count} with nobody asking; expected 0.`);
  return found;
}

function table(result: Result): string {
  const line = (what: string, value: unknown) => `  ${what.padEnd(44)} ${value}`;
  const { latencyMs, rssMiB, machine: on } = result;
  return [
    `${result.clients} clients, ${result.models} models, ${result.seconds} s`,
    line("answers by status", JSON.stringify(result.byStatus)),
    line("left by their reader", result.leftByClient),
    line("without an answer, streams cut off", `${result.connectionErrors}, ${result.brokenStreams}`),
    line("latency, ms: p50, p95, p99", `${latencyMs.p50}, ${latencyMs.p95}, ${latencyMs.p99}`),
    line("first byte of a stream, ms: p50", result.firstByteMsP50),
    line("answers, tokens a second", `${result.requestsPerSec}, ${result.tokPerSec}`),
    line("resident memory, MiB: first, most, last", `${rssMiB.first}, ${rssMiB.max}, ${rssMiB.last}`),
    line("last quarter to second quarter", result.rssGrowth),
    line("held at the end", JSON.stringify(Object.values(result.heldAtEnd))),
    `Load before ${on.loadBefore}, after ${on.loadAfter}; ${on.cpu}, ${on.cores} cores`,
  ].join("\n");
}

function readOptions(): { options: Options; json: boolean } {
  const { values } = parseArgs({
    options: {
      json: { type: "boolean", default: false },
      seconds: { type: "string", default: "60" },
      clients: { type: "string", default: "64" },
      adapters: { type: "string", default: "8" },
    },
  });
  const number = (name: "seconds" | "clients" | "adapters", max: number) => {
    const value = Number(values[name]);
    if (!Number.isInteger(value) || value < 1 || value > max)
      throw new Error(`--${name} takes a whole number from 1 to ${max}; it got ${values[name]}.`);
    return value;
  };
  return {
    options: {
      seconds: number("seconds", 86_400),
      clients: number("clients", 1_000),
      adapters: number("adapters", 200),
      maxTokens: 48,
    },
    json: values.json,
  };
}

if (import.meta.main) {
  const { options, json } = readOptions();
  const result = await measure(options);
  process.stdout.write(`${json ? JSON.stringify(result) : table(result)}\n`);
  for (const complaint of complaints(result)) {
    note(complaint);
    process.exitCode = 1;
  }
}
