import {
  type Abi,
  type Address,
  BaseError,
  type Chain,
  type ContractFunctionArgs,
  type ContractFunctionName,
  createPublicClient,
  createWalletClient,
  custom,
  type EncodeFunctionDataParameters,
  encodeDeployData,
  encodeFunctionData,
  type Hex,
  type HttpTransport,
  http,
  type LocalAccount,
  type PublicClient,
  type TransactionReceipt,
  type Transport,
  type WalletClient,
} from "viem";
import { writeContract } from "viem/actions";
import { type AbiByName, CallRevertedError, readableCallError } from "./call-error.ts";
import { localNetwork, type Network, viemChain } from "./networks.ts";

/** What a chain is reached by: in process, by URL, or by any viem transport. */
export type ChainSource =
  | {
      readonly embedded: {
        readonly chainId: number;
        request(args: { method: string; params?: unknown }): Promise<unknown>;
      };
    }
  | { readonly rpcUrl: string; readonly network?: Network }
  | { readonly transport: Transport; readonly network?: Network };

export type ChainReader = {
  readonly chain: Chain;
  readonly public: PublicClient<Transport, Chain>;
  /** The receipt, as soon as there is one. A reverted transaction is a receipt too: `status` says so. */
  waitForReceipt(hash: Hex): Promise<TransactionReceipt>;
  /** An error in words, by the ABIs given to {@link chainClients}. @param what what was tried */
  explain(error: unknown, what: string): unknown;
};

export type TransactionRequest = {
  readonly to?: Address;
  readonly data?: Hex;
  readonly value?: bigint;
  readonly gas?: bigint;
};

/** A call of a contract's function that changes state. */
export type ContractWrite<
  abi extends Abi | readonly unknown[],
  name extends ContractFunctionName<abi, "nonpayable" | "payable">,
> = {
  readonly address: Address;
  readonly abi: abi;
  readonly functionName: name;
  readonly args?: ContractFunctionArgs<abi, "nonpayable" | "payable", name>;
  /** Wei sent along. */
  readonly value?: bigint;
};

export type ChainWriter = ChainReader & {
  readonly account: LocalAccount;
  /** viem's wallet client; its `sendTransaction`, `writeContract` and `deployContract` take nonces by the same order. */
  readonly wallet: WalletClient<Transport, Chain, LocalAccount>;
  /**
   * Sign and send, with the next nonce of the account: any number may be under way at once.
   * @returns the hash; the transaction is mined on an embedded chain and accepted on others
   * @throws CallRevertedError before anything is sent, if it would revert
   */
  send(request: TransactionRequest): Promise<Hex>;
  /** Call a contract and wait for the receipt. @throws CallRevertedError in the contract's own words */
  write<
    const abi extends Abi | readonly unknown[],
    name extends ContractFunctionName<abi, "nonpayable" | "payable">,
  >(call: ContractWrite<abi, name>): Promise<TransactionReceipt>;
};

const sendAttempts = 5;

/** Beside a quarter more than estimated. What is not used is not paid. */
const gasMargin = 200_000n;

export function chainClients(
  options: ChainSource & { readonly abis?: AbiByName; readonly account: LocalAccount },
): ChainWriter;
export function chainClients(options: ChainSource & { readonly abis?: AbiByName }): ChainReader;
/**
 * viem clients over the embedded chain or over HTTP.
 *
 * @param options where the chain is; `account` to write as well as read; `abis` to put errors into words
 *
 * @example
 * const { write } = chainClients({ embedded: chain, account: keystore.account("operator"), abis: protocolAbis });
 * await write({ ...contracts.DatanetRegistry, functionName: "create", args: [digest, "CC-BY-4.0"], value: fee });
 */
export function chainClients(
  options: ChainSource & { readonly abis?: AbiByName; readonly account?: LocalAccount },
): ChainReader | ChainWriter {
  const { chain, transport, pollingInterval } = connect(options);
  const abis = options.abis ?? {};
  const reader: PublicClient<Transport, Chain> = createPublicClient({ chain, transport, pollingInterval });
  const base: ChainReader = {
    chain,
    public: reader,
    waitForReceipt: (hash) => waitForReceipt(reader, hash),
    explain: (error, what) => readableCallError(error, what, abis),
  };
  return options.account === undefined
    ? base
    : { ...base, ...writing(base, transport, options.account, abis) };
}

function connect(source: ChainSource): { chain: Chain; transport: Transport; pollingInterval: number } {
  if ("embedded" in source) {
    const { chainId, request } = source.embedded;
    const chain = viemChain(localNetwork({ rpcUrls: [], contracts: {}, chainId }));
    return { chain, transport: custom({ request }, { retryCount: 0 }), pollingInterval: 50 };
  }
  const rpcUrls = "rpcUrl" in source ? [source.rpcUrl] : [];
  const chain = viemChain(source.network ?? localNetwork({ rpcUrls, contracts: {} }));
  const transport: Transport | HttpTransport = "rpcUrl" in source ? http(source.rpcUrl) : source.transport;
  return { chain, transport, pollingInterval: 500 };
}

async function waitForReceipt(
  client: PublicClient<Transport, Chain>,
  hash: Hex,
): Promise<TransactionReceipt> {
  const receipt = await client.request({ method: "eth_getTransactionReceipt", params: [hash] });
  return receipt === null
    ? client.waitForTransactionReceipt({ hash })
    : client.getTransactionReceipt({ hash });
}

function writing(
  base: ChainReader,
  transport: Transport,
  account: LocalAccount,
  abis: AbiByName,
): Omit<ChainWriter, keyof ChainReader> {
  const plainWallet = createWalletClient({ chain: base.chain, transport, account });
  const nonces = createNonces(() =>
    base.public.getTransactionCount({ address: account.address, blockTag: "pending" }),
  );

  let blockGasLimit: Promise<bigint> | undefined;

  /**
   * An estimate is of the second it is made in. In the next one the same call may cost more: a contract that keeps its past
   * writes a new checkpoint where it would have changed the last one.
   */
  async function withMargin(estimate: bigint): Promise<bigint> {
    blockGasLimit ??= base.public.getBlock().then(({ gasLimit }) => gasLimit);
    const limit = await blockGasLimit;
    const wanted = estimate + estimate / 4n + gasMargin;
    return wanted < limit ? wanted : limit;
  }

  async function send(request: TransactionRequest): Promise<Hex> {
    const { nonce: _, ...prepared } = (await plainWallet.prepareTransactionRequest({
      ...request,
      parameters: ["chainId", "fees", "gas", "type"],
    } as never)) as Record<string, unknown>;
    if (request.gas === undefined) prepared.gas = await withMargin(prepared.gas as bigint);
    for (let attempt = 1; ; attempt++) {
      const nonce = await nonces.take();
      const serializedTransaction = await account.signTransaction({ ...prepared, nonce } as never);
      try {
        return await base.public.sendRawTransaction({ serializedTransaction });
      } catch (error) {
        nonces.forget();
        if (!isNonceRefusal(error) || attempt === sendAttempts) throw error;
        await new Promise((resolve) => setTimeout(resolve, attempt * 20));
      }
    }
  }

  async function sendExplained(request: TransactionRequest, what: string, known: AbiByName): Promise<Hex> {
    try {
      return await send(request);
    } catch (error) {
      throw readableCallError(error, what, known);
    }
  }

  async function write(call: ContractWrite<Abi, string>): Promise<TransactionReceipt> {
    const { address, abi, functionName, args, value } = call;
    const what = `${nameOf(abi, abis)}${functionName}`;
    const known = { ...abis, [`the contract at ${address}`]: abi };
    const data = encodeFunctionData({ abi, functionName, args } as EncodeFunctionDataParameters);
    const request = { to: address, data, ...(value === undefined ? {} : { value }) };
    const receipt = await base.waitForReceipt(await sendExplained(request, what, known));
    if (receipt.status === "reverted") await throwReason(request, receipt, what, known);
    return receipt;
  }

  /** Run it again on the state after its block: what changed between the estimate and the block usually still holds. */
  async function throwReason(
    request: TransactionRequest,
    receipt: TransactionReceipt,
    what: string,
    known: AbiByName,
  ): Promise<never> {
    try {
      await base.public.call({ ...request, account, blockNumber: receipt.blockNumber } as never);
    } catch (error) {
      throw readableCallError(error, what, known);
    }
    throw new CallRevertedError(
      `${what} reverted in transaction ${receipt.transactionHash}; run again it succeeds.`,
      "0x",
      undefined,
      [],
    );
  }

  /** viem's writeContract comes through here as well; what it adds for its own use is left out. */
  const sendFromWallet = ({ account: _, chain: __, nonce: ___, ...request }: Record<string, unknown>) =>
    sendExplained(request as TransactionRequest, "The transaction", abis);
  const withOwnSend = plainWallet.extend(() => ({
    sendTransaction: sendFromWallet,
    deployContract: ({
      abi,
      bytecode,
      args,
      ...rest
    }: {
      abi: Abi;
      bytecode: Hex;
      args?: readonly unknown[];
    }) => sendFromWallet({ ...rest, data: encodeDeployData({ abi, bytecode, args } as never) }),
  }));
  const wallet = withOwnSend.extend((client) => ({
    // Bound to the extended client: viem's own is bound to the plain one and would not see the sendTransaction above.
    writeContract: ((parameters) =>
      writeContract(client as never, parameters as never)) as typeof plainWallet.writeContract,
  })) as unknown as WalletClient<Transport, Chain, LocalAccount>;
  return {
    account,
    wallet,
    send: (request) => sendExplained(request, "The transaction", abis),
    write: write as ChainWriter["write"],
  };
}

/** "DatanetRegistry." for an ABI that is known by name. */
function nameOf(abi: Abi, abis: AbiByName): string {
  const name = Object.keys(abis).find((key) => abis[key] === abi);
  return name === undefined ? "" : `${name}.`;
}

/**
 * Nonces of one account, given out in order. After any refusal the count is asked for anew; transactions under way with
 * higher nonces then fail for the gap, or clash, and are signed again, which is safe because they were refused.
 */
function createNonces(count: () => Promise<number>): { take(): Promise<number>; forget(): void } {
  let next: Promise<number> | undefined;
  return {
    take() {
      const taken = next ?? count();
      next = taken.then((nonce) => nonce + 1);
      next.catch(() => {
        next = undefined;
      });
      return taken;
    },
    forget() {
      next = undefined;
    },
  };
}

const nonceWords = /nonce too (low|high)|already known|replacement transaction underpriced/i;

function isNonceRefusal(error: unknown): boolean {
  if (!(error instanceof BaseError)) return false;
  return (
    error.walk((inner) => nonceWords.test((inner as BaseError).details ?? (inner as Error).message)) !== null
  );
}
