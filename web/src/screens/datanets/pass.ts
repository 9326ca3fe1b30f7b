/** Passes to Datanets whose texts are not open to all: an hour long, and in memory only. */
import { useSyncExternalStore } from "react";
import type { Address, Hex } from "viem";
import { api, ask } from "../../api/client.ts";
import { queries } from "../../api/queries.ts";
import { signTypedData } from "../../wallet/wallet.ts";

/** A pass that this page holds, without what opens. */
export type HeldPass = { readonly datanetId: string; readonly expiresAtMs: number };

type Pass = { readonly pass: string; readonly expiresAtMs: number };

const passes = new Map<string, Pass>();
/** To what one gave oneself: they open nothing else of a Datanet. */
const own = new Map<string, Pass>();
let held: readonly HeldPass[] = [];
const listeners = new Set<() => void>();

function keep(datanetId: string, pass: Pass | undefined): void {
  if (pass) passes.set(datanetId, pass);
  else passes.delete(datanetId);
  held = [...passes].map(([id, { expiresAtMs }]) => ({ datanetId: id, expiresAtMs }));
  for (const listener of listeners) listener();
}
const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

const opens = (found: Pass | undefined) =>
  found !== undefined && found.expiresAtMs > Date.now() ? found.pass : undefined;

/** The pass to a Datanet, if this page holds one that still opens it. */
export const passTo = (datanetId: string): string | undefined => opens(passes.get(datanetId));

/** The same, followed as it comes and ends. */
export const usePass = (datanetId: string): string | undefined =>
  useSyncExternalStore(subscribe, () => passTo(datanetId));

/** The pass to a contribution's report: to all of its Datanet, or to what one gave. */
export const useReportPass = (datanetId: string): string | undefined =>
  useSyncExternalStore(subscribe, () => passTo(datanetId) ?? opens(own.get(datanetId)));

/** All that this page holds, those that are over as well. */
export const usePasses = (): readonly HeldPass[] => useSyncExternalStore(subscribe, () => held);

/** Lets a pass go: what it opened must be asked for again. */
export async function leavePass(datanetId: string): Promise<void> {
  keep(datanetId, undefined);
  await queries.invalidateQueries({ queryKey: ["rows", datanetId] });
}

/** Headers that show it. */
export const passHeaders = (pass: string | undefined): Record<string, string> =>
  pass === undefined ? {} : { authorization: `Bearer ${pass}` };

/**
 * Accepts a Datanet's terms by signature and asks to be let in; curators and its owner are at once.
 *
 * @param reader lower-case address of the wallet
 */
export async function askForPass(datanetId: string, reader: Address, purpose: string) {
  const path = { datanetId };
  const { termsDigest } = await ask(api.GET("/v1/datanets/{datanetId}/access", { params: { path } }));
  const admission = await request(datanetId, reader, purpose, termsDigest as Hex);
  if (admission.state === "admitted") {
    keep(datanetId, admission);
    await queries.invalidateQueries({ queryKey: ["rows", datanetId] });
  }
  return admission;
}

/** Opens what an account gave, by its signature; that accepts no terms. */
export async function askForOwn(datanetId: string, contributor: Address): Promise<void> {
  const { zeroHash } = await import("viem");
  const admission = await request(datanetId, contributor, "own contributions", zeroHash);
  if (admission.state !== "admitted") return;
  own.set(datanetId, admission);
  for (const listener of listeners) listener();
}

async function request(datanetId: string, reader: Address, purpose: string, termsDigest: Hex) {
  const path = { datanetId };
  const [{ domain, signAccessRequest, toHex }, { signing }] = await Promise.all([
    import("../../../../src/protocol/index.ts"),
    ask(api.GET("/v1/datanets/{datanetId}", { params: { path } })),
  ]);
  const asked = {
    datanetId: BigInt(datanetId),
    ...{ reader, termsDigest },
    signedAt: BigInt(Math.floor(Date.now() / 1_000)),
    nonce: toHex(crypto.getRandomValues(new Uint8Array(32))),
  };
  const signature = await signAccessRequest(
    domain(signing.chainId, signing.verifyingContract as Address),
    asked,
    (data) => signTypedData(data as never),
  );
  const { signedAt, nonce } = asked;
  const body = { ...{ reader, termsDigest, nonce, signature, purpose }, signedAt: Number(signedAt) };
  return ask(api.POST("/v1/datanets/{datanetId}/access", { params: { path }, body }));
}
