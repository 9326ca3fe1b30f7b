import { useIsOperator } from "../../../wallet/session.ts";
import { useAddress } from "../../../wallet/wallet.ts";

/** Whether somebody sees a Datanet's settings: whose session acts for the node, which owns its Datanets, or who owns this one. */
export function useSeesSettings(owner: string | undefined): boolean {
  const [operator, address] = [useIsOperator(), useAddress()];
  return operator || (address !== undefined && address === owner);
}
