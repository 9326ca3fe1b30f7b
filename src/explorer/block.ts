import { type Address, getContractAddress, type Hex, keccak256 } from "viem";
import { recoverAuthorizationAddress } from "viem/utils";

/** EIP-1193, as an embedded chain or a viem client gives it. */
export type Request = (args: { readonly method: string; readonly params?: unknown }) => Promise<unknown>;

/** `debug_traceTransaction`: what a transaction did beyond what its receipt says. */
export type Trace = (hash: Hex, options: object) => Promise<unknown>;

export type ChainAccess = {
  readonly request: Request;
  readonly trace?: Trace;
  /** A transaction could not be traced: it is indexed without what only a trace says. */
  readonly onUntraced?: (hash: Hex, error: unknown) => void;
};

export type Authorization = {
  /** Who signed it; null if the signature is not one. */
  readonly authority: Address | null;
  readonly delegate: Address;
  readonly chainId: string;
  readonly nonce: string;
};

export type LogFacts = {
  readonly index: number;
  readonly address: Address;
  readonly topics: readonly Hex[];
  readonly data: Hex;
};

export type TransactionFacts = {
  readonly hash: Hex;
  readonly index: number;
  readonly sender: Address;
  readonly recipient: Address | null;
  readonly nonce: number;
  readonly type: number;
  readonly valueWei: bigint;
  readonly gasLimit: number;
  readonly gasUsed: number;
  readonly gasPriceWei: bigint;
  readonly succeeded: boolean;
  readonly created: Address | null;
  readonly input: Hex;
  readonly authorizations: readonly Authorization[];
  readonly logs: readonly LogFacts[];
  /** Undefined when there is no trace: then contracts made by contracts, balances and revert data are not known. */
  readonly effects: Effects | undefined;
};

export type Effects = {
  /** Contracts that have code since this transaction. */
  readonly created: readonly Address[];
  /** Accounts whose balance it changed, wei. */
  readonly changes: readonly { readonly address: Address; readonly wei: bigint }[];
  /** What a reverted transaction returned. */
  readonly revertData: Hex | undefined;
};

export type BlockFacts = {
  readonly number: number;
  readonly hash: Hex;
  readonly parentHash: Hex;
  readonly stateRoot: Hex;
  readonly timestampSec: number;
  readonly miner: Address;
  readonly gasUsed: number;
  readonly gasLimit: number;
  readonly baseFeeWei: bigint;
  readonly sizeBytes: number;
  readonly transactions: readonly TransactionFacts[];
};

type RpcTransaction = {
  readonly hash: Hex;
  readonly from: Address;
  readonly to: Address | null;
  readonly nonce: Hex;
  readonly type?: Hex;
  readonly value: Hex;
  readonly gas: Hex;
  readonly gasPrice?: Hex;
  readonly input: Hex;
  readonly authorizationList?: readonly RpcAuthorization[];
};

type RpcAuthorization = {
  readonly chainId: Hex;
  readonly address: Address;
  readonly nonce: Hex;
  readonly yParity: Hex;
  readonly r: Hex;
  readonly s: Hex;
};

type RpcReceipt = {
  readonly transactionHash: Hex;
  readonly status: Hex;
  readonly gasUsed: Hex;
  readonly effectiveGasPrice: Hex;
  readonly contractAddress: Address | null;
  readonly logs: readonly {
    readonly logIndex: Hex;
    readonly address: Address;
    readonly topics: readonly Hex[];
    readonly data: Hex;
  }[];
};

type RpcBlock = {
  readonly number: Hex;
  readonly hash: Hex;
  readonly parentHash: Hex;
  readonly stateRoot: Hex;
  readonly timestamp: Hex;
  readonly miner: Address;
  readonly gasUsed: Hex;
  readonly gasLimit: Hex;
  readonly baseFeePerGas?: Hex;
  readonly size?: Hex;
  readonly transactions: readonly RpcTransaction[];
};

const lower = <T extends string>(text: T): T => text.toLowerCase() as T;
const tagOf = (number: number): Hex => `0x${number.toString(16)}`;

/** Number of the chain's last block. */
export async function headOf(request: Request): Promise<number> {
  return Number((await request({ method: "eth_blockNumber" })) as Hex);
}

/** Hash of a block, undefined beyond the chain's end. */
export async function hashOf(request: Request, number: number): Promise<Hex | undefined> {
  const params = [tagOf(number), false];
  return ((await request({ method: "eth_getBlockByNumber", params })) as RpcBlock | null)?.hash;
}

/** Everything the chain says of a block, undefined beyond its end. */
export async function readBlock(access: ChainAccess, number: number): Promise<BlockFacts | undefined> {
  const { request } = access;
  const block = (await request({
    method: "eth_getBlockByNumber",
    params: [tagOf(number), true],
  })) as RpcBlock | null;
  if (block === null) return undefined;
  const receipts =
    block.transactions.length === 0
      ? []
      : ((await request({ method: "eth_getBlockReceipts", params: [tagOf(number)] })) as RpcReceipt[]);
  const transactions: TransactionFacts[] = [];
  for (const [index, transaction] of block.transactions.entries()) {
    const receipt = receipts[index];
    if (receipt?.transactionHash !== transaction.hash)
      throw new Error(`Block ${number} has no receipt ${index} of ${transaction.hash}.`);
    transactions.push(await readTransaction(access, number, index, transaction, receipt));
  }
  return {
    number: Number(block.number),
    hash: block.hash,
    parentHash: block.parentHash,
    stateRoot: block.stateRoot,
    timestampSec: Number(block.timestamp),
    miner: lower(block.miner),
    gasUsed: Number(block.gasUsed),
    gasLimit: Number(block.gasLimit),
    baseFeeWei: BigInt(block.baseFeePerGas ?? "0x0"),
    sizeBytes: Number(block.size ?? "0x0"),
    transactions,
  };
}

async function readTransaction(
  access: ChainAccess,
  blockNumber: number,
  index: number,
  transaction: RpcTransaction,
  receipt: RpcReceipt,
): Promise<TransactionFacts> {
  const succeeded = receipt.status === "0x1";
  const sender = lower(transaction.from);
  // Some nodes leave the address out of the receipt of a creation that failed.
  const created =
    transaction.to === null && succeeded
      ? lower(
          receipt.contractAddress ?? getContractAddress({ from: sender, nonce: BigInt(transaction.nonce) }),
        )
      : null;
  return {
    hash: transaction.hash,
    index,
    sender,
    recipient: transaction.to === null ? null : lower(transaction.to),
    nonce: Number(transaction.nonce),
    type: Number(transaction.type ?? "0x0"),
    valueWei: BigInt(transaction.value),
    gasLimit: Number(transaction.gas),
    gasUsed: Number(receipt.gasUsed),
    gasPriceWei: BigInt(receipt.effectiveGasPrice),
    succeeded,
    created,
    input: transaction.input,
    authorizations: await Promise.all((transaction.authorizationList ?? []).map(readAuthorization)),
    logs: receipt.logs.map((log) => ({
      index: Number(log.logIndex),
      address: lower(log.address),
      topics: log.topics,
      data: log.data,
    })),
    effects: await readEffects(access, blockNumber, transaction, receipt),
  };
}

async function readAuthorization(signed: RpcAuthorization): Promise<Authorization> {
  const { chainId, address, nonce, r, s } = signed;
  // Anybody may put any bytes there: what is no signature is passed over by the chain too (EIP-7702).
  const authority = await recoverAuthorizationAddress({
    authorization: {
      chainId: Number(chainId),
      address,
      nonce: Number(nonce),
      r,
      s,
      yParity: Number(signed.yParity),
    },
  }).catch(() => null);
  return {
    authority: authority && lower(authority),
    delegate: lower(address),
    chainId: BigInt(chainId).toString(),
    nonce: BigInt(nonce).toString(),
  };
}

const transferGas = 21_000;
/** EIP-7702: an account whose code begins so runs another's; it is not a contract. */
const delegationPrefix = "0xef0100";

type AccountState = { readonly balance?: Hex; readonly code?: Hex };
type Difference = Readonly<Record<"pre" | "post", Readonly<Record<Address, AccountState>>>>;

async function readEffects(
  { request, trace, onUntraced }: ChainAccess,
  blockNumber: number,
  { hash, from, to, input, type, value }: RpcTransaction,
  { status, gasUsed, effectiveGasPrice }: RpcReceipt,
): Promise<Effects | undefined> {
  const succeeded = status === "0x1";
  const fee = BigInt(gasUsed) * BigInt(effectiveGasPrice);
  if (succeeded && to !== null && input === "0x" && type !== "0x4" && Number(gasUsed) === transferGas) {
    // A refund can bring a call down to the price of a transfer.
    const code = await request({ method: "eth_getCode", params: [to, tagOf(blockNumber)] });
    if (code === "0x") {
      const moved = [
        { address: lower(from), wei: -BigInt(value) - fee },
        { address: lower(to), wei: BigInt(value) },
      ];
      return { created: [], changes: sumOf(moved), revertData: undefined };
    }
  }
  if (trace === undefined) return undefined;
  try {
    if (!succeeded) {
      const call = (await trace(hash, { tracer: "callTracer", tracerConfig: { onlyTopCall: true } })) as {
        output?: Hex;
      };
      const changes = sumOf([{ address: lower(from), wei: -fee }]);
      return { created: [], changes, revertData: call.output ?? "0x" };
    }
    return effectsOf(
      (await trace(hash, { tracer: "prestateTracer", tracerConfig: { diffMode: true } })) as Difference,
    );
  } catch (error) {
    onUntraced?.(hash, error);
    return undefined;
  }
}

/** One change an account, in order of address, none of 0. */
function sumOf(changes: Effects["changes"]): Effects["changes"] {
  const sums = new Map<Address, bigint>();
  for (const { address, wei } of changes) sums.set(address, (sums.get(address) ?? 0n) + wei);
  return [...sums]
    .map(([address, wei]) => ({ address, wei }))
    .filter(({ wei }) => wei !== 0n)
    .sort((a, b) => (a.address < b.address ? -1 : 1));
}

function effectsOf({ pre, post }: Difference): Effects {
  const created: Address[] = [];
  const changes: { address: Address; wei: bigint }[] = [];
  for (const key of new Set([...Object.keys(pre), ...Object.keys(post)] as Address[])) {
    const before = pre[key];
    const after = post[key];
    const address = lower(key);
    const code = after?.code ?? "0x";
    if (code !== "0x" && !code.startsWith(delegationPrefix) && (before?.code ?? "0x") === "0x")
      created.push(address);
    const balance = BigInt(before?.balance ?? "0x0");
    // An account that is left out of `post` is gone; one that is there without a balance kept it.
    changes.push({
      address,
      wei: (after === undefined ? 0n : BigInt(after.balance ?? balance)) - balance,
    });
  }
  return { created: created.sort(), changes: sumOf(changes), revertData: undefined };
}

export type CodeFacts = { readonly digest: Hex | null; readonly bytes: number };

/** Code of an address after a block; a digest of null and 0 bytes where there is none. */
export async function readCode(request: Request, address: Address, blockNumber: number): Promise<CodeFacts> {
  const code = (await request({ method: "eth_getCode", params: [address, tagOf(blockNumber)] })) as Hex;
  if (code === "0x" || code.startsWith(delegationPrefix)) return { digest: null, bytes: 0 };
  return { digest: keccak256(code), bytes: (code.length - 2) / 2 };
}
