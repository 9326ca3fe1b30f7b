/** What this room needs of the `ModelRegistry` contract. */
import {
  type Account,
  type Chain,
  createPublicClient,
  createWalletClient,
  parseEventLogs,
  type Transport,
} from "viem";
import { modelRegistryAbi, protocolParametersAbi } from "../chain/index.ts";
import type { Address, Digest, Hex } from "../protocol/index.ts";

export type ReleaseOnChain = {
  readonly releaseId: Digest;
  readonly baseDigest: Digest;
  readonly adapterDigest: Digest;
  readonly indexRoot: Digest;
  readonly indexRows: number;
  readonly contributorRows: number;
  readonly k: number;
  readonly thresholdMillionths: number;
  readonly parentRelease: Digest;
  readonly promptWeiPerToken: bigint;
  readonly completionWeiPerToken: bigint;
  readonly versions: readonly { readonly datanetId: bigint; readonly version: bigint }[];
};

/** A transaction whose hash is returned has been mined and was not reverted. */
export type ModelRegistry = {
  /** The model's id, registered in the developer's name if nobody has the name yet. */
  ensureModel(developer: Account, name: string): Promise<bigint>;
  /** What registering the name would cost now, wei; nothing where it is registered. */
  registrationWei(name: string): Promise<bigint>;
  ownerOf(modelId: bigint): Promise<Address>;
  releaseExists(releaseId: Digest): Promise<boolean>;
  /** Whether what was made from this release may ask a price. */
  permitsPrice(releaseId: Digest): Promise<boolean>;
  publish(developer: Account, modelId: bigint, release: ReleaseOnChain): Promise<Hex>;
};

export function contractModelRegistry(options: {
  chain: Chain;
  transport: Transport;
  address: Address;
}): ModelRegistry {
  const { chain, transport } = options;
  const contract = { address: options.address, abi: modelRegistryAbi } as const;
  const reader = createPublicClient({ chain, transport });
  const walletOf = (account: Account) => createWalletClient({ account, chain, transport });

  const mined = async (hash: Hex) => {
    const receipt = await reader.waitForTransactionReceipt({ hash });
    if (receipt.status === "success") return receipt;
    throw new Error(
      `Transaction ${hash} was reverted although its simulation was not: the chain changed in between. Try again.`,
    );
  };

  const modelOf = (name: string) =>
    reader.readContract({ ...contract, functionName: "modelOf", args: [name] });
  const feeWei = async () => {
    const parameters = await reader.readContract({ ...contract, functionName: "parameters" });
    return reader.readContract({
      address: parameters,
      abi: protocolParametersAbi,
      functionName: "registrationFeeWei",
    });
  };

  return {
    registrationWei: async (name) => ((await modelOf(name)) === 0n ? feeWei() : 0n),
    async ensureModel(developer, name) {
      const found = await modelOf(name);
      if (found !== 0n) return found;
      const value = await feeWei();
      const { request } = await reader.simulateContract({
        ...contract,
        account: developer,
        functionName: "register",
        args: [name],
        value,
      });
      const receipt = await mined(await walletOf(developer).writeContract(request));
      const [event] = parseEventLogs({ abi: contract.abi, eventName: "ModelRegistered", logs: receipt.logs });
      if (event === undefined)
        throw new Error(
          `Transaction ${receipt.transactionHash} registered no model: is ${contract.address} the registry?`,
        );
      return event.args.modelId;
    },
    ownerOf: (modelId) => reader.readContract({ ...contract, functionName: "ownerOf", args: [modelId] }),
    releaseExists: (releaseId) =>
      reader.readContract({ ...contract, functionName: "releaseExists", args: [releaseId] }),
    async permitsPrice(releaseId) {
      const release = await reader.readContract({
        ...contract,
        functionName: "releaseOf",
        args: [releaseId],
      });
      return release.commercial;
    },
    async publish(developer, modelId, release) {
      const { request } = await reader.simulateContract({
        ...contract,
        account: developer,
        functionName: "publishRelease",
        args: [modelId, release],
      });
      return (await mined(await walletOf(developer).writeContract(request))).transactionHash;
    },
  };
}
