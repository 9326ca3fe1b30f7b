import { setTimeout } from "node:timers/promises";
import {
  type Account,
  BaseError,
  type Chain,
  ContractFunctionRevertedError,
  createPublicClient,
  createWalletClient,
  erc20Abi,
  parseEventLogs,
  type Transport,
} from "viem";
import { datanetRegistryAbi, openStakingAbi, protocolParametersAbi } from "../chain/index.ts";
import { type Address, domain, type Hex, toHex } from "../protocol/index.ts";
import type { RegisteredDatanet, RegisteredVersion, Registry } from "./registry.ts";

/**
 * The registry as the contract at `address` keeps it.
 * @param options.chain viem's description of the network; `options.transport` reaches it (`custom(provider)` or `http(url)`)
 */
export function contractRegistry(options: {
  chain: Chain;
  transport: Transport;
  address: Address;
  /** `OpenStaking`; without it nobody has stake. */
  staking?: Address;
}): Registry {
  const { chain, transport } = options;
  const contract = { address: options.address, abi: datanetRegistryAbi } as const;
  const reader = createPublicClient({ chain, transport });

  const mined = async (hash: Hex) => {
    const receipt = await reader.waitForTransactionReceipt({ hash });
    if (receipt.status === "success") return receipt;
    throw new Error(
      `Transaction ${hash} was reverted although its simulation was not: the chain changed in between. Try again.`,
    );
  };

  const create: Registry["create"] = async (owner, { license, cardDigest }) => {
    const parameters = await reader.readContract({ ...contract, functionName: "parameters" });
    const value = await reader.readContract({
      address: parameters,
      abi: protocolParametersAbi,
      functionName: "registrationFeeWei",
    });
    const { request } = await reader.simulateContract({
      ...contract,
      account: owner,
      functionName: "create",
      args: [cardDigest, license],
      value,
    });
    const receipt = await mined(await walletOf(owner, options).writeContract(request));
    const [event] = parseEventLogs({ abi: contract.abi, eventName: "DatanetCreated", logs: receipt.logs });
    if (!event)
      throw new Error(
        `Transaction ${receipt.transactionHash} created no Datanet: is ${contract.address} the registry?`,
      );
    return { datanetId: event.args.datanetId, transactionHash: receipt.transactionHash };
  };

  const created: Registry["created"] = async (owner, cardDigest) => {
    const logs = await reader.getContractEvents({
      ...contract,
      eventName: "DatanetCreated",
      args: { owner },
      fromBlock: 0n,
      strict: true,
    });
    return logs
      .filter(({ args }) => toHex(args.metadataDigest) === cardDigest)
      .map(({ args, transactionHash }) => ({ datanetId: args.datanetId, transactionHash }));
  };

  const datanet = (datanetId: bigint): Promise<RegisteredDatanet | undefined> =>
    unlessReverted("ERC721NonexistentToken", async () => {
      const args = [datanetId] as const;
      const [found, owner] = await Promise.all([
        reader.readContract({ ...contract, functionName: "datanet", args }),
        reader.readContract({ ...contract, functionName: "ownerOf", args }),
      ]);
      return {
        datanetId,
        owner: toHex(owner),
        licenseDigest: toHex(found.licenseDigest),
        cardDigest: toHex(found.metadataDigest),
        pool: toHex(found.pool),
        versions: found.versions,
      };
    });

  const version = (datanetId: bigint, number: number): Promise<RegisteredVersion | undefined> =>
    unlessReverted("UnknownVersion", async () => {
      const args = [datanetId, BigInt(number)] as const;
      const found = await reader.readContract({ ...contract, functionName: "versionOf", args });
      return {
        version: number,
        root: toHex(found.root),
        count: found.count,
        licenseDigest: toHex(found.licenseDigest),
        manifestDigest: toHex(found.metadataDigest),
      };
    });

  const publish: Registry["publish"] = async (
    publisher,
    { datanetId, root, count, licenseDigest, manifestDigest },
  ) => {
    const { request } = await reader.simulateContract({
      ...contract,
      account: publisher,
      functionName: "publishVersion",
      args: [datanetId, root, count, licenseDigest, manifestDigest],
    });
    const receipt = await mined(await walletOf(publisher, options).writeContract(request));
    const [event] = parseEventLogs({ abi: contract.abi, eventName: "VersionPublished", logs: receipt.logs });
    if (!event)
      throw new Error(
        `Transaction ${receipt.transactionHash} published no version: is ${contract.address} the registry?`,
      );
    return { version: Number(event.args.version), transactionHash: receipt.transactionHash };
  };

  const publicationCost: Registry["publicationCost"] = async (
    publisher,
    { datanetId, count, licenseDigest },
  ) => {
    const [gas, price] = await Promise.all([
      reader.estimateContractGas({
        ...{ ...contract, account: publisher, functionName: "publishVersion" },
        // Digests that are not known yet: of bytes that are not zero, as theirs are, for those are paid for by their number.
        args: [datanetId, `0x${"ff".repeat(32)}`, count, licenseDigest, `0x${"ff".repeat(32)}`],
      }),
      reader.getGasPrice(),
    ]);
    return { gas, feeWei: gas * price };
  };

  const curators: Registry["curators"] = async (datanetId) => {
    const owner = await reader.readContract({ ...contract, functionName: "ownerOf", args: [datanetId] });
    const logs = await reader.getContractEvents({
      ...contract,
      eventName: "CuratorSet",
      args: { datanetId, owner },
      fromBlock: 0n,
      strict: true,
    });
    const named = new Set<Address>();
    for (const { args } of logs)
      if (args.allowed) named.add(toHex(args.curator));
      else named.delete(toHex(args.curator));
    return [...named];
  };

  return {
    domain: domain(chain.id, toHex(contract.address)),
    create,
    created,
    datanet,
    version,
    publish,
    publicationCost,
    curators,
    async setCurator(owner, datanetId, curator, allowed) {
      const { request } = await reader.simulateContract({
        ...contract,
        account: owner,
        functionName: "setCurator",
        args: [datanetId, curator, allowed],
      });
      return (await mined(await walletOf(owner, options).writeContract(request))).transactionHash;
    },
    committedAt: (datanetId, commitment) =>
      reader.readContract({ ...contract, functionName: "committedAt", args: [datanetId, commitment] }),
    balanceOf: (token, account) =>
      reader.readContract({ address: token, abi: erc20Abi, functionName: "balanceOf", args: [account] }),
    async stakeOf(account) {
      if (options.staking === undefined) return 0n;
      const { timestamp } = await reader.getBlock();
      const read = (at: bigint) =>
        reader.readContract({
          ...{ address: options.staking as Address, abi: openStakingAbi, functionName: "votesAt" },
          ...{ args: [account, at], blockTag: "pending" },
        });
      // Stakes are told of the past alone: in the very second of the last block, one waits until it is over.
      for (let tries = 0; tries < 3; tries++) {
        const stake = await unlessReverted("NotPast", () => read(timestamp));
        if (stake !== undefined) return stake;
        await setTimeout(500);
      }
      return read(timestamp - 1n);
    },
    mayPublish: (datanetId, account) =>
      reader.readContract({ ...contract, functionName: "isCurator", args: [datanetId, account] }),
  };
}

function walletOf(account: Account, { chain, transport }: { chain: Chain; transport: Transport }) {
  return createWalletClient({ account, chain, transport });
}

async function unlessReverted<T>(errorName: string, read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    const reverted =
      error instanceof BaseError && error.walk((cause) => cause instanceof ContractFunctionRevertedError);
    if (reverted instanceof ContractFunctionRevertedError && reverted.data?.errorName === errorName)
      return undefined;
    throw error;
  }
}
