/** Being signed in: the node knows which address this browser acts for (EIP-4361), by a cookie that no script can read. */
import { useQuery } from "@tanstack/react-query";
import { api, ask } from "../api/client.ts";
import { queries } from "../api/queries.ts";
import type { Schema } from "../api/types.ts";
import { signMessage } from "./wallet.ts";

/** What the session is kept under in the cache. */
export const sessionKey = ["session"];

/** Who is signed in; `undefined` until the node has said, `null` for nobody. */
export function useSession(): Schema<"Session"> | null | undefined {
  const { data } = useQuery({
    queryKey: sessionKey,
    queryFn: ({ signal }) => ask(api.GET("/v1/session", { signal })),
    staleTime: 60_000,
  });
  return data?.session;
}

/** Whether what is done here can be done in the operator's name. */
export const useIsOperator = (): boolean => useSession()?.operator === true;

/** Signs in with the wallet in use: one signature over a text that says for which node and chain it is. */
export async function signIn(address: `0x${string}`): Promise<void> {
  const [{ createSiweMessage }, { getAddress }, { nonce, chainId }] = await Promise.all([
    import("viem/siwe"),
    import("viem"),
    ask(api.GET("/v1/session/nonce")),
  ]);
  const message = createSiweMessage({
    address: getAddress(address),
    chainId,
    domain: location.host,
    nonce,
    uri: location.origin,
    version: "1",
    statement: "Sign in to this OpenLedger node. This sends no transaction and costs nothing.",
  });
  const signature = await signMessage(message);
  const session = await ask(api.POST("/v1/session", { body: { message, signature } }));
  queries.setQueryData(sessionKey, { session });
}

/** Ends the session; what was asked for under it is forgotten. */
export async function signOut(): Promise<void> {
  await ask(api.DELETE("/v1/session"));
  queries.setQueryData(sessionKey, { session: null });
  await queries.invalidateQueries();
}
