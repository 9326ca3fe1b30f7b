/** Calls that somebody else may have made already. */
import { CallRevertedError, type ChainWriter, type ContractWrite } from "../chain/index.ts";

/** Sends what may have been sent by somebody else already. @returns whether it was sent */
export async function attempt(
  {
    chain,
    log,
  }: { readonly chain: ChainWriter; readonly log: (level: "info" | "warn", message: string) => void },
  // biome-ignore lint/suspicious/noExplicitAny: any call of any of the contracts
  call: ContractWrite<any, any>,
): Promise<boolean> {
  try {
    await chain.write(call);
    return true;
  } catch (error) {
    if (!(error instanceof CallRevertedError)) throw error;
    log("info", `${call.functionName} is refused: ${error.message}`);
    return false;
  }
}
