/**
 * Who acts: a browser's wallet (EIP-6963), or a key kept on this device under a password. Everything heavy is loaded when it is
 * first needed; the private key is in memory only, and only while unlocked.
 */
import type { EIP6963ProviderDetail } from "mipd";
import { useSyncExternalStore } from "react";
import type { Address, Hex, LocalAccount, TypedDataDefinition, WalletClient } from "viem";
import type { Keystore } from "./keystore.ts";

export type Wallet =
  | { kind: "none" }
  /** A key of this device that waits for its password. */
  | { kind: "locked"; address: Address }
  | { kind: "local"; address: Address; account: LocalAccount }
  | { kind: "browser"; address: Address; name: string; client: WalletClient };

const place = "openledger.key";
const listeners = new Set<() => void>();
let wallet: Wallet = stored();

function stored(): Wallet {
  const text = localStorage.getItem(place);
  if (text === null) return { kind: "none" };
  const { address } = JSON.parse(text) as Keystore;
  return { kind: "locked", address: `0x${address}` };
}

function become(next: Wallet): void {
  wallet = next;
  for (const listener of listeners) listener();
}

const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

/** The wallet in use. */
export const useWallet = (): Wallet => useSyncExternalStore(subscribe, () => wallet);
/** Its address, locked or not. */
export const useAddress = (): Address | undefined => {
  const current = useWallet();
  return current.kind === "none" ? undefined : current.address;
};

async function holdKey(privateKey: Hex): Promise<Address> {
  const { privateKeyToAccount } = await import("viem/accounts");
  const account = privateKeyToAccount(privateKey);
  const address = account.address.toLowerCase() as Address;
  become({ kind: "local", account, address });
  return address;
}

/** Makes a key for this device and keeps it under the password. */
export async function createLocalKey(
  password: string,
  onProgress?: (share: number) => void,
): Promise<Address> {
  const [{ generatePrivateKey }, { encryptKey }] = await Promise.all([
    import("viem/accounts"),
    import("./keystore.ts"),
  ]);
  const privateKey = generatePrivateKey();
  localStorage.setItem(place, JSON.stringify(await encryptKey(privateKey, password, onProgress)));
  return holdKey(privateKey);
}

/** Takes a key file from elsewhere; the password must open it. */
export async function importLocalKey(
  text: string,
  password: string,
  onProgress?: (share: number) => void,
): Promise<Address> {
  const { parseKeystore, decryptKey } = await import("./keystore.ts");
  const file = parseKeystore(text);
  const privateKey = await decryptKey(file, password, onProgress);
  localStorage.setItem(place, JSON.stringify(file));
  return holdKey(privateKey);
}

/** Opens the device's key. */
export async function unlock(password: string, onProgress?: (share: number) => void): Promise<Address> {
  const { parseKeystore, decryptKey } = await import("./keystore.ts");
  const text = localStorage.getItem(place);
  if (text === null) throw new Error("This device keeps no key.");
  return holdKey(await decryptKey(parseKeystore(text), password, onProgress));
}

/** The device's key file, still under its password, for keeping elsewhere. */
export const exportedKey = (): string | null => localStorage.getItem(place);

/** Forgets the device's key. Without its file elsewhere, what it owns is lost. */
export function forgetLocalKey(): void {
  localStorage.removeItem(place);
  become({ kind: "none" });
}

/** Leaves the wallet: a local key is locked, a browser's wallet let go. */
export const leave = (): void => become(stored());

/** The wallets that this browser announces (EIP-6963). */
export async function browserWallets(): Promise<readonly EIP6963ProviderDetail[]> {
  const { requestProviders } = await import("mipd");
  const found: EIP6963ProviderDetail[] = [];
  const stop = requestProviders((detail) => found.push(detail));
  await new Promise((resolve) => setTimeout(resolve, 150));
  stop?.();
  return found;
}

/** Asks a browser's wallet for an account, and to know this network. */
export async function connect({ info, provider }: EIP6963ProviderDetail): Promise<Address> {
  const [{ createWalletClient, custom }, { network }] = await Promise.all([
    import("viem"),
    import("../chain/client.ts"),
  ]);
  const { chain, addEthereumChain } = await network();
  const client = createWalletClient({ chain, transport: custom(provider) });
  const [address] = await client.requestAddresses();
  if (!address) throw new Error(`${info.name} gave no account.`);
  await provider.request({ method: "wallet_addEthereumChain", params: [addEthereumChain as never] });
  await provider.request({
    method: "wallet_switchEthereumChain",
    params: [{ chainId: `0x${chain.id.toString(16)}` }],
  });
  provider.on("accountsChanged", () => leave());
  const lower = address.toLowerCase() as Address;
  become({ kind: "browser", address: lower, name: info.name, client });
  return lower;
}

/** Raised where a signature is needed and nobody is there to give one. */
class NoWalletError extends Error {
  constructor() {
    super("This needs your signature: connect a wallet or unlock your key first.");
    this.name = "NoWalletError";
  }
}

/** Signs typed data (EIP-712) as the wallet's account. */
export async function signTypedData(data: TypedDataDefinition): Promise<Hex> {
  if (wallet.kind === "local") return wallet.account.signTypedData(data);
  if (wallet.kind === "browser") return wallet.client.signTypedData({ ...data, account: wallet.address });
  throw new NoWalletError();
}

/** Signs a text (EIP-191). */
export async function signMessage(message: string): Promise<Hex> {
  if (wallet.kind === "local") return wallet.account.signMessage({ message });
  if (wallet.kind === "browser") return wallet.client.signMessage({ account: wallet.address, message });
  throw new NoWalletError();
}

export type Call = { to: Address; data?: Hex; value?: bigint };

/**
 * Sends a transaction and waits until it is in a block.
 *
 * @returns its hash
 * @throws Error with the contract's own reason when it would not succeed, or with what it costs when the account has too little; nothing has been sent then
 */
export async function send(call: Call): Promise<Hex> {
  const current = wallet;
  if (current.kind !== "local" && current.kind !== "browser") throw new NoWalletError();
  const [{ createWalletClient, http }, { network }, { explain }, { assertAffords }] = await Promise.all([
    import("viem"),
    import("../chain/client.ts"),
    import("../chain/errors.ts"),
    import("../chain/cost.ts"),
  ]);
  const found = await network();
  const { chain, public: reader } = found;
  const account = current.kind === "local" ? current.account : current.address;
  try {
    // As of now: a vote or a claim date may have come since the last block.
    await reader.call({ account, ...call, blockTag: "pending" });
    await assertAffords(found, current.address, call);
    const hash =
      current.kind === "browser"
        ? await current.client.sendTransaction({ account: current.address, chain, ...call })
        : await createWalletClient({ chain, account: current.account, transport: http() }).sendTransaction(
            call,
          );
    const { status } = await reader.waitForTransactionReceipt({ hash, timeout: 60_000 });
    if (status !== "success") throw new Error(`Transaction ${hash} was reverted.`);
    return hash;
  } catch (error) {
    throw explain(error);
  }
}
