import { z } from "@hono/zod-openapi";
import type { Abi, Address, Hex } from "viem";
import { type Argument, hexOf, readable } from "./abi.ts";
import {
  type ActivityOf,
  type BlockRow,
  blockOf,
  type ContractPlace,
  type ContractView,
  indexOf,
  type LogRow,
  type TransactionRow,
  topicsOf,
} from "./read.ts";
import { type AccountView, logsShown, type Summary } from "./service.ts";
import { perBlock, roles } from "./tables.ts";

/** What goes over HTTP: amounts are decimal strings of wei, hex is lower-case, times say their unit. */

const wei = z.string().openapi({ example: "1000000000000000000", description: "wei" });
const hexOut = z.string().openapi({ example: "0xab…" });
const gas = z.number().openapi({ description: "gas" });
const bytesOut = z.number().openapi({ description: "bytes" });
const nextOut = z
  .number()
  .nullable()
  .openapi({ description: "Give it as `before` for the next page; null at the end" });

const hexText = <T extends Hex>(bytes: number): z.ZodType<T> =>
  z
    .string()
    .regex(new RegExp(`^0x[0-9a-fA-F]{${2 * bytes}}$`), `expected 0x and ${2 * bytes} hex digits`)
    .transform((text) => text.toLowerCase() as T)
    .openapi({ type: "string", example: `0x${"ab".repeat(bytes)}` });

export const addressText = hexText<Address>(20);
export const digestText = hexText<Hex>(32);

/** A whole number in a path or a query, within bounds. */
export const countText = (min: number, max: number, example: number) =>
  z
    .string()
    .regex(/^(0|[1-9][0-9]{0,15})$/, "expected a whole number")
    .transform(Number)
    .pipe(z.number().int().min(min).max(max))
    .openapi({ type: "integer", minimum: min, maximum: max, example });

/** Highest block whose places are exact numbers. */
export const blockMax = 2 ** 53 / perBlock - 1;

export const blockText = countText(0, blockMax, 7);
export const blockIdText = z
  .string()
  .regex(
    /^(0|[1-9][0-9]{0,9}|0x[0-9a-fA-F]{64})$/,
    "expected a block number, or a hash of 0x and 64 hex digits",
  )
  .transform((text): number | Hex => (text.startsWith("0x") ? (text.toLowerCase() as Hex) : Number(text)))
  .refine((id) => typeof id === "string" || id <= blockMax, `expected a number of at most ${blockMax}`)
  .openapi({ type: "string", example: "7" });

export const nameText = z
  .string()
  .regex(/^[A-Za-z_$][\w$ ().-]{0,63}$/, "expected a name of at most 64 characters");
export const contractText = z
  .union([addressText, nameText], { error: "expected an address or a contract's name" })
  .openapi({ type: "string", example: "DatanetRegistry" });
export const searchText = z
  .string()
  .trim()
  .min(1)
  .max(128)
  .regex(/^\P{Cc}*$/u, "expected text without control characters")
  .openapi({ example: "ModelRegistry" });

/** `position:address` of the last contract of a page. */
export const contractPlaceText = z
  .string()
  .regex(/^(-1|0|[1-9][0-9]{0,15}):0x[0-9a-f]{40}$/, "expected the `next` of an earlier page")
  .transform((text): ContractPlace => {
    const [position = "", address = ""] = text.split(":");
    return { position: Number(position), address };
  })
  .refine(({ position }) => Number.isSafeInteger(position), "expected the `next` of an earlier page")
  .openapi({ type: "string", example: `7340032:0x${"ab".repeat(20)}` });

export const errorOut = z
  .object({ error: z.object({ code: z.string(), message: z.string() }) })
  .openapi("ExplorerError");

const argumentOut = z
  .object({
    name: z.string(),
    type: z.string().openapi({ example: "uint256" }),
    value: z.unknown().openapi({
      description:
        "Integers as decimal strings, addresses and bytes as hex, tuples as lists of arguments. What is too long to keep is " +
        "`{cut, length}`: its beginning, and its whole length in bytes or elements. `{digest}` is an indexed value of which the " +
        "chain keeps the digest only",
    }),
  })
  .openapi("DecodedArgument");

export const blockOut = z
  .object({
    number: z.number(),
    hash: hexOut,
    parentHash: hexOut,
    stateRoot: hexOut,
    timestampSec: z.number(),
    miner: hexOut,
    gasUsed: gas,
    gasLimit: gas,
    baseFeeWei: wei,
    sizeBytes: bytesOut,
    transactions: z.number(),
    events: z.number(),
  })
  .openapi("ExplorerBlock");

export const transactionOut = z
  .object({
    hash: hexOut,
    position: z.number().openapi({ description: "block × 2²⁰ + index" }),
    blockNumber: z.number(),
    blockHash: hexOut,
    index: z.number(),
    timestampSec: z.number(),
    from: hexOut,
    to: hexOut.nullable(),
    toName: z.string().nullable().openapi({ description: "Name of the contract called, if it is known" }),
    nonce: z.number(),
    type: z.number().openapi({ description: "0 legacy, 1 EIP-2930, 2 EIP-1559, 4 EIP-7702" }),
    valueWei: wei,
    gasLimit: gas,
    gasUsed: gas,
    gasPriceWei: z.string().openapi({ description: "wei per gas, as paid" }),
    feeWei: wei,
    status: z.enum(["success", "reverted"]),
    createdContract: hexOut.nullable(),
    function: z.string().nullable(),
    arguments: z.array(argumentOut).nullable(),
    input: hexOut.openapi({ description: "Lists show its beginning" }),
    inputBytes: bytesOut,
    error: z
      .object({
        name: z.string().nullable().openapi({ description: "null for an error of no known contract" }),
        arguments: z.array(argumentOut).nullable(),
        data: hexOut.openapi({ description: "At most its first 4,096 bytes" }),
        bytes: bytesOut,
      })
      .nullable()
      .openapi({
        description: "What a reverted transaction returned; null if it succeeded or could not be traced",
      }),
    authorizations: z
      .array(
        z.object({
          authority: hexOut.nullable(),
          delegate: hexOut,
          chainId: z.string(),
          nonce: z.string(),
        }),
      )
      .openapi({
        description:
          "EIP-7702, as signed; one with another nonce or chain has no effect. authority: who signed",
      }),
    events: z.number(),
    traced: z.boolean().openapi({
      description: "Whether contracts made by contracts, balances and errors are known of it",
    }),
  })
  .openapi("ExplorerTransaction");

export const eventOut = z
  .object({
    position: z.number().openapi({ description: "block × 2²⁰ + index within the block" }),
    blockNumber: z.number(),
    logIndex: z.number(),
    timestampSec: z.number(),
    transactionHash: hexOut,
    address: hexOut,
    contract: z.string().nullable(),
    name: z.string().nullable().openapi({ description: "null for an event of no known contract" }),
    arguments: z.array(argumentOut).nullable(),
    topics: z.array(hexOut),
    data: hexOut.openapi({ description: "At most its first 256 bytes" }),
    dataBytes: bytesOut,
  })
  .openapi("ExplorerEvent");

const contractFields = {
  address: hexOut,
  name: z.string().nullable(),
  creator: hexOut.nullable().openapi({ description: "Sender of the transaction that made it" }),
  creationTransaction: hexOut.nullable(),
  creationBlock: z.number().nullable(),
  codeDigest: hexOut
    .nullable()
    .openapi({ description: "Keccak-256 of its code; null if it destroyed itself at once" }),
  codeBytes: bytesOut,
};
const contractOut = z.object(contractFields).openapi("ExplorerContract");
export const contractDetailOut = z
  .object({ ...contractFields, abi: z.array(z.unknown()).nullable() })
  .openapi("ExplorerContractDetail");

export const accountOut = z
  .object({
    address: hexOut,
    name: z.string().nullable(),
    balanceWei: wei.openapi({ description: "wei, now" }),
    nonce: z.number(),
    code: hexOut,
    transactions: z.number().openapi({ description: "In which it took part" }),
    events: z.number().openapi({ description: "That it emitted or that name it" }),
    firstBlock: z.number().nullable(),
    lastBlock: z.number().nullable(),
    contract: contractOut.nullable(),
  })
  .openapi("ExplorerAccount");

export const activityOut = z
  .object({
    position: z.number(),
    blockNumber: z.number(),
    roles: z.array(z.enum(roles)).openapi({
      description:
        "How the address took part. balance: not named, but its balance changed. genesis: what block 0 gave it. The fee " +
        "collector's tips are left out",
    }),
    changeWei: wei
      .nullable()
      .openapi({ description: "wei its balance changed by, fee included; null if unknown or 0" }),
    transaction: transactionOut.nullable().openapi({ description: "null for genesis" }),
  })
  .openapi("ExplorerActivity");

export const summaryOut = z
  .object({
    chainId: z.number(),
    genesisHash: hexOut.nullable(),
    indexedBlock: z.number().nullable(),
    headBlock: z.number(),
    behindBlocks: z.number().openapi({ description: "Blocks still to be indexed" }),
    transactions: z.number(),
    events: z.number(),
    accounts: z.number(),
    contracts: z.number(),
    trouble: z.string().nullable().openapi({ description: "Why indexing does not go on; null when it does" }),
    latest: z.array(blockOut),
  })
  .openapi("ExplorerSummary");

export const hitOut = z
  .object({
    kind: z.enum(["block", "transaction", "contract", "account", "name"]),
    number: z.number().optional(),
    hash: hexOut.optional(),
    address: hexOut.optional(),
    name: z.string().nullable().optional(),
    event: z.string().optional(),
    contract: z.string().optional(),
    subject: z
      .string()
      .nullable()
      .optional()
      .openapi({ description: "The event's first value, as a model's id" }),
    transaction: hexOut.optional(),
  })
  .openapi("ExplorerHit");

export const pageOut = <T extends z.ZodType>(name: string, item: T) =>
  z.object({ [name]: z.array(item), next: nextOut });
export const contractsOut = z.object({
  contracts: z.array(contractOut),
  next: z
    .string()
    .nullable()
    .openapi({ description: "Give it as `before` for the next page; null at the end" }),
});
export const transactionDetailOut = z.object({
  transaction: transactionOut,
  logs: z
    .array(eventOut)
    .openapi({ description: `The first ${logsShown}; \`events\` says how many there are` }),
});

export function blockJson({ logs, baseFeeWei, ...block }: BlockRow): z.input<typeof blockOut> {
  return { ...block, baseFeeWei: baseFeeWei.toString(), events: logs };
}

const argumentsJson = (list: readonly Argument[] | null) => (list === null ? null : [...list]);

export function transactionJson(row: TransactionRow): z.input<typeof transactionOut> {
  return {
    hash: row.hash,
    position: row.position,
    blockNumber: blockOf(row.position),
    blockHash: row.blockHash,
    index: indexOf(row.position),
    timestampSec: row.timestampSec,
    from: row.sender,
    to: row.recipient,
    toName: row.contract,
    nonce: row.nonce,
    type: row.type,
    valueWei: row.valueWei.toString(),
    gasLimit: row.gasLimit,
    gasUsed: row.gasUsed,
    gasPriceWei: row.gasPriceWei.toString(),
    feeWei: (BigInt(row.gasUsed) * row.gasPriceWei).toString(),
    status: row.succeeded ? "success" : "reverted",
    createdContract: row.created,
    function: row.function,
    arguments: argumentsJson(row.arguments),
    input: hexOf(row.input),
    inputBytes: row.inputBytes,
    error:
      row.revertData === null
        ? null
        : {
            name: row.error,
            arguments: argumentsJson(row.errorArguments),
            data: hexOf(row.revertData),
            bytes: row.revertBytes ?? 0,
          },
    authorizations: (row.authorizations ?? []).map((one) => ({ ...one })),
    events: row.logs,
    traced: row.traced,
  };
}

export function eventJson(row: LogRow): z.input<typeof eventOut> {
  return {
    position: row.position,
    blockNumber: blockOf(row.position),
    logIndex: indexOf(row.position),
    timestampSec: row.timestampSec,
    transactionHash: row.transactionHash,
    address: row.address,
    contract: row.contract,
    name: row.event,
    arguments: argumentsJson(row.arguments),
    topics: topicsOf(row.topics),
    data: hexOf(row.data),
    dataBytes: row.dataBytes,
  };
}

export function contractJson(row: ContractView): z.input<typeof contractOut> {
  const { transactionHash, position, ...rest } = row;
  return {
    ...rest,
    creationTransaction: transactionHash,
    creationBlock: position === null ? null : blockOf(position),
  };
}

export function contractDetailJson(row: ContractView, abi: Abi | null): z.input<typeof contractDetailOut> {
  return { ...contractJson(row), abi: abi === null ? null : [...abi] };
}

export function accountJson({ contract, balanceWei, ...account }: AccountView): z.input<typeof accountOut> {
  return {
    ...account,
    balanceWei: balanceWei.toString(),
    contract: contract === undefined ? null : contractJson(contract),
  };
}

export function activityJson(row: ActivityOf): z.input<typeof activityOut> {
  return {
    position: row.position,
    blockNumber: blockOf(row.position),
    roles: [...row.roles],
    changeWei: row.changeWei?.toString() ?? null,
    transaction: row.transaction === null ? null : transactionJson(row.transaction),
  };
}

export function summaryJson({ latest, trouble, ...summary }: Summary): z.input<typeof summaryOut> {
  return {
    ...summary,
    behindBlocks: Math.max(0, summary.headBlock - (summary.indexedBlock ?? -1)),
    trouble: trouble === null ? null : readable(trouble),
    latest: latest.map(blockJson),
  };
}

export const contractPlaceJson = (place: ContractPlace | null): string | null =>
  place === null ? null : `${place.position}:${place.address}`;
