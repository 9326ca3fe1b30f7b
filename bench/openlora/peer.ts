/** node-llama-cpp beside us: the same weights, the same adapters, the same prompts, in turns. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Adapter } from "../../src/engine/index.ts";
import { startChild } from "../common/child.ts";
import { median, note, quartiles, rounded, scratchFolder } from "../common/measure.ts";
import { answerAll, type Batch } from "./decode.ts";
import { type GgufType, writeGgufAdapter, writeGgufModel } from "./gguf.ts";
import { type Base, benchTokens, ropeTheta } from "./material.ts";
import type { PeerMethods, PeerMode } from "./peer-process.ts";

const version = "3.22.1";
const folder = fileURLToPath(new URL(`../../.tools/node-llama-cpp-${version}/`, import.meta.url));

/** The package that holds the peer's compiled library for this machine. */
function platformPackage(): string {
  const { platform, arch } = process;
  const system = { linux: "linux", darwin: "mac", win32: "win" }[platform as string];
  if (system === undefined) throw new Error(`node-llama-cpp has no compiled library for ${platform}.`);
  const cpu = arch === "arm" ? "armv7l" : arch;
  return `@node-llama-cpp/${system}-${cpu}${system === "mac" && cpu === "arm64" ? "-metal" : ""}`;
}

/**
 * Installs the peer into .tools/, once, outside the lock file; nothing is compiled and no install script runs.
 *
 * @returns its entry module
 */
export async function installPeer(): Promise<string> {
  const library = join(folder, "node_modules", "node-llama-cpp", "dist", "index.js");
  const platform = platformPackage();
  if (existsSync(library) && existsSync(join(folder, "node_modules", platform))) return library;
  note(`installing node-llama-cpp ${version} into ${folder}, once ...`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), '{"private":true}\n');
  const wanted = [`node-llama-cpp@${version}`, `${platform}@${version}`];
  const flags = ["--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund", "--loglevel=error"];
  const npm = spawn("npm", ["install", "--prefix", folder, ...flags, ...wanted], {
    cwd: folder,
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32",
    env: {
      ...process.env,
      PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
      NODE_LLAMA_CPP_SKIP_DOWNLOAD: "true",
    },
  });
  const [code] = await once(npm, "exit");
  if (code !== 0 || !existsSync(library))
    throw new Error(
      `npm could not install node-llama-cpp ${version} (exit code ${code}). It needs the network once; leave out --peer to do without.`,
    );
  return library;
}

export type PeerOptions = {
  base: Base;
  adapters: readonly Adapter[];
  /** Ours, by the type of the peer's weights that it is held against: each row under its adapter. */
  ours: Readonly<Record<GgufType, Batch>>;
  prompts: readonly (readonly number[])[];
  outputTokens: number;
  rounds: number;
  threads: number;
  scratch: string | undefined;
};

const baseRounds = 2;

type Runner = PeerMode | "ours";

/** Tokens before a row's first difference, over all rows, as a part of all tokens. */
export function agreement(ours: readonly (readonly number[])[], theirs: readonly (readonly number[])[]) {
  let same = 0;
  let all = 0;
  for (const [row, answer] of ours.entries()) {
    const differs = answer.findIndex((token, i) => token !== theirs[row]![i]);
    same += differs === -1 ? answer.length : differs;
    all += answer.length;
  }
  return same / all;
}

async function compare(library: string, type: GgufType, given: PeerOptions, folderPath: string) {
  const { base, adapters, prompts, outputTokens, rounds, threads } = given;
  const model = join(folderPath, `${type}.gguf`);
  writeGgufModel(model, base, benchTokens(base.config.vocab), ropeTheta, type);
  const files = adapters.map((adapter, i) => {
    const file = join(folderPath, `lora-${i}.gguf`);
    if (!existsSync(file)) writeGgufAdapter(file, base.config, adapter);
    return file;
  });
  await using peer = startChild<PeerMethods>(new URL("peer-process.ts", import.meta.url), [], {
    NODE_LLAMA_CPP_SKIP_DOWNLOAD: "true",
  });
  const contextTokens = prompts[0]!.length + outputTokens;
  await peer.call("open", { library, model, adapters: files, contextTokens, threads });
  const run = (who: Runner) =>
    who === "ours"
      ? answerAll(given.ours[type], prompts, outputTokens)
      : peer.call("answer", { mode: who, prompts, outputTokens });
  const runners: readonly Runner[] = ["ours", "adapters", "base"];
  const rates = Object.fromEntries(runners.map((who) => [who, []])) as unknown as Record<Runner, number[]>;
  const answers = new Map<Runner, number[][]>();
  // The first turn warms everybody up. The peer without adapters is no part of a ratio that is held to a bar: two turns are enough.
  for (let round = -1; round < rounds; round++)
    for (const who of runners) {
      if (who === "base" && round >= baseRounds) continue;
      const { seconds, answers: said } = await run(who);
      answers.set(who, said);
      if (round >= 0) rates[who].push((prompts.length * outputTokens) / seconds);
      note(
        `${type} ${who}: ${rounded((prompts.length * outputTokens) / seconds)} tokens a second${round < 0 ? " (warm-up)" : ""}`,
      );
    }
  const ratios = (to: PeerMode) => rates[to].map((rate, i) => rates.ours[i]! / rate);
  return {
    tokPerSec: rounded(median(rates.adapters)),
    tokPerSecBaseOnly: rounded(median(rates.base)),
    ours: { tokPerSec: rounded(median(rates.ours)), quartiles: quartiles(rates.ours) },
    ratio: rounded(median(ratios("adapters")), 3),
    ratioQuartiles: quartiles(ratios("adapters"), 3),
    ratioBaseOnly: rounded(median(ratios("base")), 3),
    agreement: rounded(agreement(answers.get("ours")!, answers.get("adapters")!), 3),
    adaptersChangeAnswers: rounded(1 - agreement(answers.get("base")!, answers.get("adapters")!), 3),
  };
}

/** Measures against float32 weights, and against Q8_0 ones. */
export async function comparePeer(given: PeerOptions) {
  const library = await installPeer();
  await using scratch = scratchFolder("openledger-bench-peer-", given.scratch);
  const f32 = await compare(library, "F32", given, scratch.path);
  const q8 = await compare(library, "Q8_0", given, scratch.path);
  const installed = JSON.parse(readFileSync(join(dirname(library), "..", "package.json"), "utf8"));
  return { name: "node-llama-cpp", version: installed.version as string, f32, q8 };
}
