/**
 * From an answer's last token to its receipt: how soon can everybody it pays read what they are owed?
 *
 *   ./openledger bench receipts [--json] [--contributors 10000] [--examples 100000] [--dimensions 1024] [--at-once 8] [--rounds 12] [--out FILE]
 *
 * Publishes a release of that size on a node of its own, with the model that ships: real files, a real index and basis, random numbers
 * in them, and a threshold so low that every answer pays 256 contributors, the most it may. Then streams answers that end together,
 * and asks over HTTP for each one's receipt, and for the pending credit of one of those it pays, until they are there.
 *
 * Exit code 1 when the 95th percentile from last token to readable credit is above a second, or a receipt is missing.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { machine, note, quantile, rounded, scratchFolder, sleep } from "./common/measure.ts";
import { modelName, prepareHome } from "./receipts/release.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const lagMsMax = 1_000;
const pollMs = 20;
/** Longer than any receipt should take; one that takes longer is missing. */
const giveUpMs = 60_000;

type Options = {
  contributors: number;
  examples: number;
  dimensions: number;
  atOnce: number;
  rounds: number;
  maxTokens: number;
  out: string | undefined;
};

/** What one answer's receipt took, milliseconds since its last token arrived. */
type Lag = { readonly receiptMs: number; readonly creditMs: number; readonly paid: number };

async function startNode(home: string): Promise<{ url: string; child: ChildProcess }> {
  const bin = join(root, "src", "cli", "bin.ts");
  const child = spawn(process.execPath, [bin, "up", "--home", home, "--port", "0", "--json"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = await Promise.race([
    once(child.stdout!, "data"),
    once(child, "exit").then(([code]) => Promise.reject(new Error(`the node ended with exit code ${code}`))),
  ]);
  return { url: (JSON.parse(String(line)) as { url: string }).url, child };
}

// biome-ignore lint/suspicious/noExplicitAny: the node's own answers
async function get(url: string): Promise<any> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
  return response.json();
}

/** Asks until `found` says so. */
async function until<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
  const untilMs = performance.now() + giveUpMs;
  while (performance.now() < untilMs) {
    const found = await ask();
    if (found !== undefined) return found;
    await sleep(pollMs);
  }
  throw new Error(`${what} was not there within ${giveUpMs} ms.`);
}

/** Reads a stream to its end. @returns the request's id; its last token came when this returns */
async function stream(url: string, secret: string, seed: number, maxTokens: number): Promise<string> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${secret}` },
    body: JSON.stringify({
      model: modelName,
      messages: [{ role: "user", content: `What does number ${seed} have to do with the valley?` }],
      max_tokens: maxTokens,
      temperature: 1,
      seed,
      stream: true,
    }),
  });
  if (!response.ok) throw new Error(`The node answered ${response.status}: ${await response.text()}`);
  const text = await response.text();
  if (!text.trimEnd().endsWith("data: [DONE]")) throw new Error(`A stream broke off: ${text.slice(-300)}`);
  return response.headers.get("openledger-request-id")!;
}

async function measureOne(url: string, secret: string, seed: number, maxTokens: number): Promise<Lag> {
  const id = await stream(url, secret, seed, maxTokens);
  const lastTokenAt = performance.now();
  const receiptId = await until(`The receipt of ${id}`, async () => {
    const { receipt } = await get(`${url}/v1/requests/${id}`);
    return (receipt as string | null) ?? undefined;
  });
  const receiptMs = performance.now() - lastTokenAt;
  const { payments, scores } = await get(`${url}/v1/receipts/${receiptId}`).then(
    ({ bundle }) => bundle as { payments: { payee: string; amount: string }[]; scores: unknown[] },
  );
  const { payee, amount } = payments.at(-1)!;
  await until(`The credit of ${payee}`, async () => {
    const { pendingWei } = await get(`${url}/v1/balances/${payee}`);
    return BigInt(pendingWei) >= BigInt(amount) ? true : undefined;
  });
  return { receiptMs, creditMs: performance.now() - lastTokenAt, paid: scores.length };
}

async function measure(options: Options) {
  const on = machine();
  await using folder = scratchFolder("openledger-bench-receipts-");
  const home = join(folder.path, "home");
  note(`publishing a release of ${options.contributors} contributors ...`);
  const preparing = performance.now();
  const sizes = { contributors: options.contributors, examples: options.examples, k: options.dimensions };
  const secrets = await prepareHome(home, sizes, Math.min(4, options.atOnce));
  note(`${rounded((performance.now() - preparing) / 1_000, 1)} s; starting the node on it ...`);
  const node = await startNode(home);
  try {
    // The first answer reads adapter, basis and index into memory.
    const first = await measureOne(node.url, secrets[0]!, 0, options.maxTokens);
    const lags: Lag[] = [];
    for (let round = 0; round < options.rounds; round++) {
      const answers = Array.from({ length: options.atOnce }, (_, i) =>
        measureOne(node.url, secrets[i % secrets.length]!, 1 + round * options.atOnce + i, options.maxTokens),
      );
      const found = await Promise.all(answers);
      lags.push(...found);
      note(`round ${round + 1}: ${found.map(({ creditMs }) => rounded(creditMs, 0)).join(" ")} ms`);
    }
    const at = (of: "receiptMs" | "creditMs", part: number) =>
      rounded(
        quantile(
          lags.map((lag) => lag[of]),
          part,
        ) ?? Number.NaN,
        0,
      );
    return {
      receiptLagMsP50: at("creditMs", 0.5),
      receiptLagMsP95: at("creditMs", 0.95),
      receiptMsP50: at("receiptMs", 0.5),
      receiptMsP95: at("receiptMs", 0.95),
      firstReceiptMs: rounded(first.creditMs, 0),
      answers: lags.length,
      atOnce: options.atOnce,
      contributors: options.contributors,
      examples: options.examples,
      dimensions: options.dimensions,
      paidEach: rounded(lags.reduce((sum, { paid }) => sum + paid, 0) / lags.length, 0),
      bar: lagMsMax,
      machine: { ...on, loadAfter: machine().loadBefore },
    };
  } finally {
    const ended = once(node.child, "exit");
    node.child.kill("SIGTERM");
    await Promise.race([ended, sleep(20_000).then(() => node.child.kill("SIGKILL"))]);
    await ended;
  }
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      json: { type: "boolean" },
      contributors: { type: "string", default: "10000" },
      examples: { type: "string", default: "100000" },
      dimensions: { type: "string", default: "1024" },
      "at-once": { type: "string", default: "8" },
      rounds: { type: "string", default: "12" },
      "max-tokens": { type: "string", default: "48" },
      out: { type: "string" },
    },
  });
  const number = (name: keyof typeof values): number => {
    const value = Number(values[name]);
    if (Number.isInteger(value) && value >= 1) return value;
    throw new Error(`--${name} is a whole number from 1 on; got ${values[name]}.`);
  };
  return {
    contributors: number("contributors"),
    examples: number("examples"),
    dimensions: number("dimensions"),
    atOnce: number("at-once"),
    rounds: number("rounds"),
    maxTokens: number("max-tokens"),
    out: values.out,
  };
}

if (import.meta.main) {
  const options = readOptions();
  const result = await measure(options);
  if (options.out !== undefined) writeFileSync(options.out, `${JSON.stringify(result, null, 2)}\n`);
  const json = process.argv.includes("--json");
  process.stdout.write(`${JSON.stringify(result, null, json ? undefined : 2)}\n`);
  if (result.receiptLagMsP95 > lagMsMax) {
    note(
      `Credit was readable ${result.receiptLagMsP95} ms after the last token (p95); the bar is ${lagMsMax}.`,
    );
    process.exitCode = 1;
  }
}
