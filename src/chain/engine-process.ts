import { fork } from "node:child_process";
import { totalmem } from "node:os";
import { fileURLToPath } from "node:url";
import type { EngineRules } from "./engine.ts";
import { EngineDiedError } from "./errors.ts";

/** What the EVM's process is told. */
export type ToEvm =
  | { readonly rules: EngineRules; readonly memoryBytes: number }
  | { readonly id: number; readonly body: string }
  | { readonly id: number; readonly memory: true };

type FromEvm =
  | { readonly ready: true }
  | { readonly refused: string }
  | { readonly usedBytes: number }
  | { readonly id: number; readonly text: string }
  | { readonly id: number; readonly failure: string };

/** The EVM in a process of its own. */
export type EvmProcess = {
  /** A JSON-RPC body to its answer, one after the other. @throws EngineDiedError */
  request(body: string): Promise<string>;
  /** Memory it holds now, bytes. @throws EngineDiedError */
  residentBytes(): Promise<number>;
  /** End it; what was asked fails. */
  stop(): Promise<void>;
};

const gibibyte = 2 ** 30;
/** The history that the engine keeps, bytes a transaction, rounded up. */
const historyBytes = 12_000;
/** Beside the history: what one execution may need, and the process itself. */
const executionBytes = 2 * gibibyte;

/**
 * How much memory the EVM's process may use unless told otherwise: a full chain and 2 GiB for whatever executes, but at
 * most 60 % of what the machine or the container has.
 */
export function defaultEngineMemoryBytes(ceilingTransactions: number): number {
  const constrained = process.constrainedMemory();
  const machine = constrained > 0 && constrained < totalmem() ? constrained : totalmem();
  return Math.floor(Math.min(machine * 0.6, executionBytes + ceilingTransactions * historyBytes));
}

/**
 * Start the EVM at its genesis block.
 *
 * @param memoryBytes resident memory at which the process ends itself
 * @param onDeath called once if it ends without having been stopped
 */
export async function startEvm(
  rules: EngineRules,
  memoryBytes: number,
  onDeath: (error: EngineDiedError) => void,
): Promise<EvmProcess> {
  const child = fork(fileURLToPath(new URL("./evm-process.ts", import.meta.url)), [], {
    serialization: "advanced",
    execArgv: [],
    stdio: ["ignore", "ignore", "inherit", "ipc"],
    env: { ...process.env, NODE_OPTIONS: "", RUST_BACKTRACE: "0" },
  });
  const channel = child.channel!;
  type Waiting = { resolve(text: string): void; reject(error: Error): void };
  const waiting = new Map<number, Waiting>();
  const ready = Promise.withResolvers<void>();
  let nextId = 1;
  let usedBytes = 0;
  let end: string | undefined;
  let stopped = false;

  /** Only while something is asked does the process keep this one from ending. */
  const hold = () => {
    child.ref();
    channel.ref();
  };
  const letGo = () => {
    child.unref();
    channel.unref();
  };
  child.on("message", (message: FromEvm) => {
    if ("ready" in message) return ready.resolve();
    if ("refused" in message) return ready.reject(new Error(message.refused));
    if ("usedBytes" in message) {
      usedBytes = message.usedBytes;
      return;
    }
    const entry = waiting.get(message.id);
    waiting.delete(message.id);
    if (waiting.size === 0) letGo();
    if ("text" in message) entry?.resolve(message.text);
    else entry?.reject(new Error(message.failure));
  });
  child.on("error", (error) => ready.reject(error));
  const exited = new Promise<[number | null, string | null]>((resolve) =>
    child.once("exit", (code, signal) => resolve([code, signal])),
  );
  const disconnected = new Promise<void>((resolve) => child.once("disconnect", resolve));
  const gone = Promise.all([exited, disconnected]).then(([[code, signal]]) => {
    end =
      usedBytes > 0
        ? `needed ${Math.ceil(usedBytes / 1e6)} MB of memory, at most ${Math.floor(memoryBytes / 1e6)} MB are allowed`
        : `ended with ${signal ?? `exit code ${code}`}`;
    ready.reject(new Error(`The EVM's process ${end} before it was ready.`));
    // The oldest request is the one that was being carried out; the others had not begun.
    const [first, ...others] = waiting.values();
    waiting.clear();
    if (!stopped) onDeath(new EngineDiedError(end, first !== undefined));
    first?.reject(new EngineDiedError(end, true));
    for (const entry of others) entry.reject(new EngineDiedError(end, false));
  });

  child.send({ rules, memoryBytes } satisfies ToEvm);
  await ready.promise;
  letGo();
  /** Refuses what could not be sent, but not before the death is told: whoever tries again at once would never let it be. */
  const refuse = async (reject: Waiting["reject"]) => {
    if (end === undefined) hold();
    await gone;
    reject(new EngineDiedError(end as string, false));
  };
  const ask = (what: { body: string } | { memory: true }): Promise<string> => {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    if (end !== undefined || !child.connected) {
      void refuse(reject);
      return promise;
    }
    const id = nextId++;
    waiting.set(id, { resolve, reject });
    hold();
    child.send({ id, ...what } satisfies ToEvm, (error) => {
      if (error !== null && waiting.delete(id)) void refuse(reject);
    });
    return promise;
  };
  return {
    request: (body) => ask({ body }),
    residentBytes: async () => Number(await ask({ memory: true })),
    async stop() {
      stopped = true;
      hold();
      child.kill("SIGKILL");
      await gone;
    },
  };
}
