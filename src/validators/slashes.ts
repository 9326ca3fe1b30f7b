/** Slashes whose appeal has ended: nobody is paid for carrying out another's, so validators do it. */
import type { ChainWriter, ProtocolContracts } from "../chain/index.ts";
import { sameHex, toHex } from "../protocol/index.ts";
import { attempt } from "./attempt.ts";
import type { Record } from "./record.ts";
import { chainTime } from "./verdicts.ts";

/** How long others' slashes are left to whoever reported them and gets a part, seconds. */
const patience = 86_400;

/** Carries out its own reports as soon as their appeal has ended, others' a day later. @returns which ones */
export async function executeSlashes(parts: {
  readonly chain: ChainWriter;
  readonly contracts: Pick<ProtocolContracts, "OpenStaking">;
  readonly record: Record;
  readonly log: (level: "info" | "warn", message: string) => void;
}): Promise<bigint[]> {
  const { chain, contracts, record } = parts;
  const timestamp = await chainTime(chain);
  const done: bigint[] = [];
  for (const { slashId, reporter, executableAt } of await record.slashesDue(timestamp)) {
    const own = sameHex(reporter, toHex(chain.account.address));
    if (!own && timestamp < executableAt + patience) continue;
    const call = { ...contracts.OpenStaking, functionName: "executeSlash", args: [slashId] } as const;
    if (await attempt(parts, call)) done.push(slashId);
  }
  return done;
}
