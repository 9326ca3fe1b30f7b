/** What can be owned, sold and divided: Datanets, models, agents. */
import { InvalidArgumentError } from "commander";
import type { Address } from "viem";
import { sameHex, toHex } from "../protocol/index.ts";
import { CliError } from "./errors.ts";
import { type ChainView, now, type Purse, transact } from "./purse.ts";

const registries = {
  datanet: "DatanetRegistry",
  model: "ModelRegistry",
  agent: "AgentRegistry",
} as const;
export type Kind = keyof typeof registries;

export const kinds = Object.keys(registries).join(", ");

export function kindArgument(text: string): Kind {
  if (Object.hasOwn(registries, text)) return text as Kind;
  throw new InvalidArgumentError(`There are ${kinds}.`);
}

/** A token by its kind and number. */
export type AssetId = { readonly kind: Kind; readonly tokenId: bigint };

/** The contract of a kind, seen as what all have in common. */
export const registryOf = ({ contracts }: ChainView, kind: Kind) => ({
  ...contracts.DatanetRegistry,
  address: contracts[registries[kind]].address,
});

export function kindOf(chain: ChainView, registry: Address): Kind | undefined {
  return (Object.keys(registries) as Kind[]).find((kind) =>
    sameHex(registryOf(chain, kind).address, registry),
  );
}

/**
 * A token by what the user calls it: its number, or the name of a model.
 *
 * @throws CliError when there is none
 */
export async function findAsset(chain: ChainView, kind: Kind, text: string): Promise<AssetId> {
  if (/^[1-9]\d{0,30}$/.test(text)) return { kind, tokenId: BigInt(text) };
  const tokenId =
    kind === "model"
      ? await chain.public.readContract({
          ...chain.contracts.ModelRegistry,
          functionName: "modelOf",
          args: [text],
          ...now,
        })
      : 0n;
  if (tokenId !== 0n) return { kind, tokenId };
  throw new CliError(`There is no ${kind} "${text}".`, {
    expected: kind === "model" ? "its number or its name on chain" : "its number",
    ...(kind === "agent" ? {} : { fix: [`./openledger ${kind === "model" ? "models" : "datanet list"}`] }),
    code: `unknown-${kind}`,
  });
}

export async function readOwner(chain: ChainView, { kind, tokenId }: AssetId) {
  const registry = registryOf(chain, kind);
  const args = [tokenId] as const;
  try {
    const [owner, since, [creator, royaltyBps]] = await Promise.all([
      chain.public.readContract({ ...registry, functionName: "ownerOf", args, ...now }),
      chain.public.readContract({ ...registry, functionName: "ownedSince", args, ...now }),
      chain.public.readContract({
        ...registry,
        functionName: "royaltyInfo",
        args: [tokenId, 10_000n],
        ...now,
      }),
    ]);
    return {
      kind,
      tokenId,
      owner: toHex(owner),
      sinceSec: Number(since),
      royaltyReceiver: royaltyBps === 0n ? null : toHex(creator),
      royaltyBps: Number(royaltyBps),
    };
  } catch (error) {
    if (!(error instanceof CliError) || error.code !== "erc721-nonexistent-token") throw error;
    throw new CliError(`There is no ${kind} ${tokenId}.`, { code: `unknown-${kind}`, cause: error });
  }
}

/** @throws CliError unless the purse's account owns the token */
export async function assertOwner(purse: Purse, asset: AssetId): Promise<void> {
  const { owner } = await readOwner(purse, asset);
  if (sameHex(owner, purse.account.address)) return;
  throw new CliError(`Your account "${purse.name}" does not own ${asset.kind} ${asset.tokenId}.`, {
    expected: `the owner ${owner}`,
    actual: toHex(purse.account.address),
    fix: ["Name the owner's account of your wallet with --as."],
    code: "not-owner",
  });
}

/** Lets a contract move this one token, unless it may already. */
export async function approve(purse: Purse, { kind, tokenId }: AssetId, spender: Address): Promise<void> {
  const registry = registryOf(purse, kind);
  const approved = await purse.public.readContract({
    ...registry,
    functionName: "getApproved",
    args: [tokenId],
    ...now,
  });
  if (sameHex(approved, spender)) return;
  await transact(purse, { ...registry, functionName: "approve", args: [spender, tokenId] });
}
