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

/** The pass to a Datanet, if this page holds one that still opens it. */
export function passTo(datanetId: string): string | undefined {
  const found = passes.get(datanetId);
  return found !== undefined && found.expiresAtMs > Date.now() ? found.pass : undefined;
}

/** The same, followed as it comes and ends. */
export const usePass = (datanetId: string): string | undefined =>
  useSyncExternalStore(subscribe, () => passTo(datanetId));

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
  const [{ domain, signAccessRequest, toHex }, { termsDigest }, { signing }] = await Promise.all([
    import("../../../../src/protocol/index.ts"),
    ask(api.GET("/v1/datanets/{datanetId}/access", { params: { path } })),
    ask(api.GET("/v1/datanets/{datanetId}", { params: { path } })),
  ]);
  const request = {
    datanetId: BigInt(datanetId),
    reader,
    termsDigest: termsDigest as Hex,
    signedAt: BigInt(Math.floor(Date.now() / 1_000)),
    nonce: toHex(crypto.getRandomValues(new Uint8Array(32))),
  };
  const signature = await signAccessRequest(
    domain(signing.chainId, signing.verifyingContract as Address),
    request,
    (data) => signTypedData(data as never),
  );
  const admission = await ask(
    api.POST("/v1/datanets/{datanetId}/access", {
      params: { path },
      body: {
        reader,
        termsDigest,
        signedAt: Number(request.signedAt),
        nonce: request.nonce,
        signature,
        purpose,
      },
    }),
  );
  if (admission.state === "admitted") {
    keep(datanetId, admission);
    await queries.invalidateQueries({ queryKey: ["rows", datanetId] });
  }
  return admission;
}
