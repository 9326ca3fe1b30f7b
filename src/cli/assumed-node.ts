/** Says which node is asked where nobody said it: a home without a running node may be answered by another home's. */
import { AsyncLocalStorage } from "node:async_hooks";
import type { Io } from "./io.ts";
import { isNodeAssumed, type Settings } from "./settings.ts";

const commandUnderWay = new AsyncLocalStorage<{ note: Io["note"]; isTold: boolean }>();

/** Runs a command, which is told at most once. */
export const tellingOnce = <Result>({ note }: Io, command: () => Result): Result =>
  commandUnderWay.run({ note, isTold: false }, command);

/** To be called when a node has answered. */
export function noteAssumedNode(settings: Settings, url: string): void {
  const underWay = commandUnderWay.getStore();
  if (underWay === undefined || underWay.isTold || !isNodeAssumed(settings)) return;
  underWay.isTold = true;
  underWay.note(
    `No node of this home (${settings.dataFolder}) runs: this is the node at ${url}. OPENLEDGER_URL names a node, OPENLEDGER_HOME a home.`,
  );
}
