/** Starts every party in a process of its own, and ends them all. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, openSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Address } from "viem";
import {
  type ChainReader,
  chainClients,
  openKeystore,
  type ProtocolContracts,
  protocolContracts,
} from "../../src/chain/index.ts";
import { toHex } from "../../src/protocol/index.ts";
import { type Child, type ChildMethods, startChild } from "../common/child.ts";
import { scratchFolder, sleep } from "../common/measure.ts";
import type { AttesterMethods } from "./attester-process.ts";
import type { DeveloperMethods } from "./developer-process.ts";
import type { NetworkMethods } from "./network-process.ts";
import { networkAt } from "./party.ts";
import type { PayerMethods } from "./payer-process.ts";
import type { BadValidatorMethods } from "./validator-process.ts";

const bin = fileURLToPath(new URL("../../src/cli/bin.ts", import.meta.url));
/** The base model of every release here. */
export const baseFolder = fileURLToPath(new URL("../../src/engine/fixtures/llama-untied", import.meta.url));
const giveUpMs = 900_000;
/** Dozens of processes load the same modules: they are read and compiled once. */
const cache = { NODE_COMPILE_CACHE: join(tmpdir(), "node-compile-cache") };

/** Asks until there is an answer. */
export async function until<T>(
  what: () => string,
  ask: () => Promise<T | undefined>,
  pauseMs = 250,
): Promise<T> {
  const end = performance.now() + giveUpMs;
  while (performance.now() < end) {
    const found = await ask();
    if (found !== undefined) return found;
    await sleep(pauseMs);
  }
  throw new Error(`Waited ${giveUpMs / 1_000} s for ${what()}.`);
}

export type World = Awaited<ReturnType<typeof openWorld>>;

/** The network and a payer; developers, attesters and validators are started from here. @param attested whether releases must be */
export async function openWorld(attested: boolean) {
  process.setMaxListeners(100); // each process that is started is ended with this one
  const scratch = scratchFolder("openledger-lies-");
  const folder = (name: string) => {
    const path = join(scratch.path, name);
    mkdirSync(path, { recursive: true, mode: 0o700 });
    return path;
  };
  const closers: (() => Promise<unknown>)[] = [() => scratch[Symbol.asyncDispose]()];
  const child = <M extends ChildMethods>(script: string, args: readonly string[]): Child<M> => {
    const started = startChild<M>(new URL(script, import.meta.url), args, cache);
    closers.push(() => started[Symbol.asyncDispose]());
    return started;
  };
  const close = async () => {
    for (const end of closers.splice(0).reverse()) await end();
  };
  try {
    const network = child<NetworkMethods>("./network-process.ts", [
      folder("network"),
      attested ? "attested" : "unattested",
    ]);
    const { url, faucet, deployer } = await network.call("where", undefined);
    const said = (await (await fetch(`${url}/v1/network`)).json()) as {
      network: { contracts: Record<string, Address> };
    };
    const addresses = said.network.contracts;
    const contracts: ProtocolContracts = protocolContracts(addresses as never);
    const chain: ChainReader = chainClients(networkAt(url, addresses));
    const party = <M extends ChildMethods>(script: string, name: string, ...rest: string[]) =>
      child<M>(script, [folder(name), url, JSON.stringify(addresses), ...rest]);
    return {
      url,
      chain,
      contracts,
      network,
      faucet: toHex(faucet),
      deployer: toHex(deployer),
      developer: (lie: string) => party<DeveloperMethods>("./developer-process.ts", `developer-${lie}`, lie),
      payer: party<PayerMethods>("./payer-process.ts", "payer"),
      attester: (lie: string) =>
        party<AttesterMethods>("./attester-process.ts", `attester-${lie}`, lie, baseFolder),
      badValidator: (kind: string) =>
        party<BadValidatorMethods>("./validator-process.ts", `validator-${kind}`, kind),
      /** A keystore as the program makes it, so that the validator can be given what it stakes. */
      accountIn: (name: string): Address =>
        toHex(openKeystore(join(folder(name), "home", "keys.json")).account("validator").address),
      /** `openledger validator` as anyone runs it. Its words go to a log in its folder. */
      validator(
        name: string,
        { stakeOpen, nodes, audits }: { stakeOpen: bigint; nodes: string[]; audits: boolean },
      ) {
        const at = folder(name);
        const log = openSync(join(at, "log"), "a");
        const args = [bin, "validator", "--home", join(at, "home"), "--base", baseFolder, "--every", "1"];
        args.push("--stake", String(stakeOpen), ...nodes.flatMap((node) => ["--node", node]));
        if (audits) args.push("--open-audits");
        const program = spawn(process.execPath, args, {
          stdio: ["ignore", log, log],
          env: { ...process.env, ...cache, OPENLEDGER_HOME: at },
        });
        const ended = once(program, "exit");
        process.once("exit", () => program.kill("SIGKILL"));
        const stop = async () => {
          if (program.exitCode === null && program.signalCode === null) program.kill("SIGTERM");
          await ended;
        };
        closers.push(stop);
        return { stop };
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
