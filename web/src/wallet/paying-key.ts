/**
 * The API key that pays for answers here. Its secret is in memory only; kept over a reload only sealed under what the wallet signs
 * (`sealed`), never as it is.
 */
import { useSyncExternalStore } from "react";
import type { Address, Hex } from "viem";
import { api, ask } from "../api/client.ts";
import type { Sealed } from "./sealed.ts";
import { signMessage } from "./wallet.ts";

export type PayingKey = {
  readonly secret: string;
  /** Null for a key that was made elsewhere and brought here. */
  readonly channelId: Hex | null;
};

type Kept = Sealed & { readonly channelId: Hex };

const place = (address: Address) => `openledger.paying-key.${address.toLowerCase()}`;
const listeners = new Set<() => void>();
let current: PayingKey | undefined;

function become(next: PayingKey | undefined): void {
  current = next;
  for (const listener of listeners) listener();
}
const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

/** The key in use, if there is one. */
export const usePayingKey = (): PayingKey | undefined => useSyncExternalStore(subscribe, () => current);

/** Whether this device keeps a key for the account. */
export const keepsPayingKey = (address: Address): boolean => localStorage.getItem(place(address)) !== null;

const signatureFor = async (address: Address) =>
  signMessage((await import("./sealed.ts")).sealingText(location.origin, address));

/** What a key's making is at. */
export type MakingStep = "making" | "keeping" | "depositing" | "activating";

type Making = {
  readonly depositWei: bigint;
  /** The most that the key may spend; the deposit unless given. */
  readonly limitWei?: bigint;
  readonly label: string;
  /** What is to be done before money moves. */
  readonly beforeDeposit?: (key: PayingKey) => Promise<void>;
  /** Money stands behind the key from now on: its secret must not get lost. */
  readonly onDeposited?: (key: PayingKey) => void;
  readonly onStep?: (step: MakingStep) => void;
};

/**
 * Makes an API key that pays from a channel of the wallet's own: asks the node for the key, deposits, and has the node bind the two.
 *
 * @throws Error of the wallet or the chain; OpenLedgerError of the node
 */
export async function makeKey(address: Address, making: Making): Promise<PayingKey> {
  const { beforeDeposit, onDeposited, onStep, ...wanted } = making;
  const [{ createClient }, { send }] = await Promise.all([
    import("../../../client/src/index.ts"),
    import("./wallet.ts"),
  ]);
  onStep?.("making");
  const made = await createClient({ baseUrl: location.origin }).createKey({ payer: address, ...wanted });
  const key = { secret: made.secret, channelId: made.call.channelId as Hex };
  await beforeDeposit?.(key);
  onStep?.("depositing");
  const { to, data, value } = made.call;
  await send({ to, data, value });
  onDeposited?.(key);
  onStep?.("activating");
  await made.activate();
  return key;
}

/** Makes the key that pays here; kept, if that is wanted, before money moves, so that none is out of reach after a reload. */
export async function makePayingKey(
  address: Address,
  { depositWei, keep, onStep }: { depositWei: bigint; keep: boolean; onStep: (step: MakingStep) => void },
): Promise<void> {
  let deposited = false;
  const keepIt = async ({ secret, channelId }: PayingKey) => {
    onStep("keeping");
    const { seal } = await import("./sealed.ts");
    const kept = { ...seal(secret, await signatureFor(address), address), channelId };
    localStorage.setItem(place(address), JSON.stringify(kept));
  };
  try {
    const key = await makeKey(address, {
      ...{ depositWei, label: "playground", onStep },
      ...(keep ? { beforeDeposit: keepIt } : {}),
      onDeposited: () => {
        deposited = true;
      },
    });
    become(key);
  } catch (error) {
    if (keep && !deposited) localStorage.removeItem(place(address));
    throw error;
  }
}

/** Opens the key that this device keeps for the account; the wallet signs. */
export async function openPayingKey(address: Address): Promise<void> {
  const text = localStorage.getItem(place(address));
  if (text === null) throw new Error("This device keeps no API key for the account.");
  const { channelId, ...sealed } = JSON.parse(text) as Kept;
  const { unseal } = await import("./sealed.ts");
  become({ secret: unseal(sealed, await signatureFor(address), address), channelId });
}

/** Pays with a key that was made elsewhere, until the page is left. */
export const bringPayingKey = (secret: string): void => become({ secret, channelId: null });

/** Lets the key go; what is kept of it stays unless `address` is given. What it has deposited stays the payer's. */
export function leavePayingKey(address?: Address): void {
  if (address) localStorage.removeItem(place(address));
  become(undefined);
}

/** Has the node take the key no more; what it was charged stays owed, what it has not spent stays in its channel. */
export async function revokePayingKey(key: PayingKey, address: Address): Promise<void> {
  await ask(api.DELETE("/v1/keys", { headers: { authorization: `Bearer ${key.secret}` } }));
  leavePayingKey(address);
}
