/** The composition root: every service, its routes, and the server, opened in turn and closed in the reverse order. It decides nothing itself. */
import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createApp } from "./app.ts";
import { forwardClock } from "./clock.ts";
import { createClosers, type Opened } from "./closing.ts";
import { type NodeConfig, runningFile } from "./config.ts";
import { printable } from "./guard.ts";
import { listen, requireFreePort } from "./server.ts";
import { type Log, openServices, type Services } from "./services.ts";

/** A node's services, where its API answers (without a slash at the end), and its end. */
export type RunningNode = Services & {
  readonly url: string;
  /** Finishes what runs, then closes everything in the reverse order of opening. */
  close(): Promise<void>;
};

/** How often demands are answered and what is unanswered is enforced; deadlines are half a settlement window. */
const watchEveryMs = 2_000;

export type OpenNodeOptions = {
  /** What is being done while the node starts. */
  readonly onStep?: (step: string) => void;
  /** One line of the node's log. */
  readonly log?: (level: "info" | "warn", message: string) => void;
  /** The machine's clock, epoch milliseconds: blocks, payments and receipts are timed by it. */
  readonly machineMs?: () => number;
};

/** @throws what a room's opening throws; everything opened before is closed again */
export async function openNode(config: NodeConfig, options: OpenNodeOptions = {}): Promise<RunningNode> {
  const { onStep = () => {}, log: print = () => {}, machineMs = Date.now } = options;
  const log: Log = { step: onStep, write: (level, message) => print(level, printable(message)) };
  const { opened, closeAll } = createClosers();
  try {
    return { ...(await open(config, opened, log, machineMs)), close: closeAll };
  } catch (error) {
    await closeAll().catch((later: Error) => log.write("warn", later.message));
    throw error;
  }
}

async function open(
  config: NodeConfig,
  opened: Opened,
  log: Log,
  machineMs: () => number,
): Promise<Omit<RunningNode, "close">> {
  await requireFreePort(config);
  mkdirSync(config.home, { recursive: true });
  chmodSync(config.home, 0o700); // prompts, answers and keys lie here
  let url = "";
  const services = await openServices(config, opened, log, {
    url: () => url,
    nowMs: forwardClock(machineMs),
  });
  log.step("the HTTP server");
  url = await listen(config, services, await createApp(services), opened);
  const place = join(config.home, runningFile);
  writeFileSync(place, `${JSON.stringify({ url, pid: process.pid })}\n`);
  opened("the note of where it listens", place, async (file) => rmSync(file, { force: true }));
  const { settlement, disputes } = services;
  if (config.settleEveryMs > 0) settlement.start({ intervalMs: config.settleEveryMs, minReceipts: 1 });
  disputes.start({ intervalMs: watchEveryMs });
  return { ...services, url };
}
