/** A wallet in a person's browser (EIP-6963): it signs and sends for one account, as an extension does. */
import type { BrowserContext, Page } from "playwright-core";
import type { Hex, LocalAccount } from "viem";
import type { World } from "./world.ts";

export const walletName = "Test wallet";

/** What a page asked of the wallet. */
export type Asked = { readonly method: string; readonly params: readonly unknown[] };

type Transaction = { readonly to: Hex; readonly data?: Hex; readonly value?: Hex };

const announced = `{
  const provider = { request: ({ method, params }) => walletRequest(method, params ?? []), on() {}, removeListener() {} };
  const detail = Object.freeze({ info: { uuid: "350670db-19fa-4704-a166-e52e178b59d2", name: "${walletName}", icon: "data:image/svg+xml,<svg/>", rdns: "test.wallet" }, provider });
  const announce = () => dispatchEvent(new CustomEvent("eip6963:announceProvider", { detail }));
  addEventListener("eip6963:requestProvider", announce);
  announce();
}`;

/** Installs the wallet in a browser. It is on another network until a page has it switched. @returns what pages ask of it, as they do */
export async function installWallet(
  context: BrowserContext,
  { node }: World,
  account: LocalAccount,
): Promise<readonly Asked[]> {
  const asked: Asked[] = [];
  let chainId = "0x1";
  const answers: Readonly<Record<string, (params: unknown[]) => unknown>> = {
    eth_requestAccounts: () => [account.address],
    eth_accounts: () => [account.address],
    eth_chainId: () => chainId,
    wallet_switchEthereumChain: ([to]) => {
      chainId = (to as { chainId: string }).chainId;
      return null;
    },
    personal_sign: ([raw]) => account.signMessage({ message: { raw: raw as Hex } }),
    eth_signTypedData_v4: ([, text]) => account.signTypedData(JSON.parse(text as string)),
    eth_sendTransaction: ([sent]) => {
      const { to, data, value = "0x0" } = sent as Transaction;
      return node.network
        .writer(account)
        .send({ to, value: BigInt(value), ...(data === undefined ? {} : { data }) });
    },
  };
  await context.exposeFunction("walletRequest", async (method: string, params: unknown[]) => {
    asked.push({ method, params });
    return (await answers[method]?.(params)) ?? null;
  });
  await context.addInitScript(announced);
  return asked;
}

/** Signs in with the wallet that is installed. */
export async function signInByWallet(page: Page, account: LocalAccount): Promise<void> {
  await page.getByRole("banner").getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("button", { name: walletName }).click();
  await page.getByRole("dialog").waitFor({ state: "detached" }); // it closes once the session is signed
  await page.getByRole("banner").getByTitle(account.address.toLowerCase()).waitFor();
}
