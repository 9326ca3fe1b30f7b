import { getContractAddress, type Hex } from "viem";
import type { Engine } from "./engine.ts";

type Call = { readonly from?: Hex; readonly to?: Hex; readonly accessList?: unknown };
type Touched = Readonly<Record<Hex, { readonly storage?: Readonly<Record<Hex, Hex>> }>>;

/** Precompiled contracts of Osaka: 0x01–0x11, and 0x100 (RIP-7212). They are warm in every transaction. */
const isPrecompile = (address: Hex) => BigInt(address) <= 0x11n || BigInt(address) === 0x100n;

/**
 * `eth_createAccessList` (EIP-2930): accounts and slots a call touches, and the gas it uses with that list.
 * Sender, receiver, precompiled contracts and the block's beneficiary are warm anyway and listed only for their slots.
 */
export async function createAccessList(
  engine: Pick<Engine, "request">,
  call: Call,
  tag: unknown,
  feeCollector: Hex,
): Promise<unknown> {
  const touched = (await engine.request("debug_traceCall", [
    call,
    tag,
    { tracer: "prestateTracer", tracerConfig: { disableCode: true } },
  ])) as Touched;
  const warm = new Set([call.from, call.to, feeCollector].map((address) => address?.toLowerCase()));
  if (call.to === undefined && call.from !== undefined) {
    const nonce = await engine.request("eth_getTransactionCount", [call.from, tag]);
    warm.add(getContractAddress({ from: call.from, nonce: BigInt(nonce as Hex) }).toLowerCase());
  }
  const accessList = (Object.entries(touched) as [Hex, Touched[Hex]][])
    .map(([address, { storage = {} }]) => ({ address, storageKeys: Object.keys(storage) as Hex[] }))
    .filter(
      ({ address, storageKeys }) =>
        storageKeys.length > 0 || !(warm.has(address.toLowerCase()) || isPrecompile(address)),
    );
  const { gasUsed, error } = (await engine.request("debug_traceCall", [
    { ...call, accessList },
    tag,
    { tracer: "callTracer" },
  ])) as { gasUsed: Hex; error?: string };
  return { accessList, gasUsed, ...(error === undefined ? {} : { error }) };
}
