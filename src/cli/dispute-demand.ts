/** `openledger dispute demand|demands|enforce`: have what a batch was made from published, or the batch undone. */
import { type Command, Option } from "commander";
import type { Address } from "viem";
import { toHex, zeroDigest } from "../protocol/index.ts";
import { formatOpen } from "./amount.ts";
import { showTime } from "./dates.ts";
import { CliError, describeError } from "./errors.ts";
import { connect } from "./http.ts";
import type { Io } from "./io.ts";
import { everyEvent } from "./logs.ts";
import { wholeNumber } from "./numbers.ts";
import { type ChainView, now, openChain, openPurse, type Purse, transact } from "./purse.ts";
import { subcommand } from "./subcommand.ts";
import { table } from "./table.ts";
import { addressArgument, asOption, withAccount } from "./wallet-account.ts";

/** In the order of `Demands.Kind`. */
const kinds = ["receipt", "line", "balance", "row"] as const;
type Kind = (typeof kinds)[number];
/** In the order of `Demands.Status`. */
const statuses = ["none", "open", "answered", "enforced", "returned"] as const;

export function defineDemands(command: Command, io: Io): void {
  withAccount(
    subcommand(command, "demand", "Demand a part of a batch that its attester withholds"),
    "account that pays, and has a bond",
  )
    .argument("<attester>", "whose batch", addressArgument)
    .argument("<batch>", "its number", wholeNumber)
    .addArgument(command.createArgument("<kind>", "what of it").choices(kinds.slice(0, 3)))
    .argument("<index>", "its position in its list, from 0", wholeNumber)
    .addOption(new Option("--bond", "put up the bond that a demand needs, if it is missing"))
    .action((attester: Address, number: bigint, kind: Kind, index: bigint, options: DemandOptions) =>
      demand(io, attester, number, kind, index, options),
    );
  subcommand(command, "demands", "List every demand, newest first").action(() => list(io));
  withAccount(
    subcommand(command, "enforce", "Undo the batch of a demand that was not answered in time; anyone may"),
    "account that pays the gas",
  )
    .argument("<demand>", "its number: ./openledger dispute demands", wholeNumber)
    .action((number: bigint, { as }: { as: string }) => enforce(io, number, as));
}

type DemandOptions = { as: string; bond?: boolean };

async function readDemands(chain: ChainView) {
  const { Demands } = chain.contracts;
  const events = await everyEvent(chain, (range) =>
    chain.public.getContractEvents({ ...Demands, eventName: "Demanded", strict: true, ...range }),
  );
  return Promise.all(
    events.map(async ({ args }, at) => {
      const { status } = await chain.public.readContract({
        ...Demands,
        functionName: "demandOf",
        args: [args.itemId],
        ...now,
      });
      const { attester, number, generation, kind, index, releaseId } = args.item;
      return {
        demand: at + 1,
        item: { attester, number, generation, kind, index, releaseId },
        itemId: args.itemId,
        demander: toHex(args.demander),
        attester: toHex(attester),
        batch: number,
        kind: kinds[kind] as Kind,
        index,
        releaseId: releaseId === zeroDigest ? null : releaseId,
        priceWei: args.price,
        deadlineSec: Number(args.deadline),
        status: statuses[status] as (typeof statuses)[number],
      };
    }),
  );
}

type DemandJson = Awaited<ReturnType<typeof readDemands>>[number];

async function list(io: Io): Promise<void> {
  const demands = (await readDemands(await openChain(connect()))).reverse();
  io.result(
    { demands },
    demands.length === 0
      ? "Nothing was demanded yet."
      : table(demands, [
          ["Demand", ({ demand: number }) => number, "number"],
          ["Attester", ({ attester }) => attester],
          ["Batch", ({ batch }) => batch, "number"],
          ["What", ({ kind, index }) => `${kind} ${index}`],
          ["State", ({ status }) => status],
          ["Next", demandNext],
        ]),
  );
}

function demandNext({ demand: number, status, deadlineSec }: DemandJson): string {
  if (status !== "open") return "";
  return deadlineSec * 1_000 > Date.now()
    ? `its answer must come by ${showTime(deadlineSec)}`
    : `./openledger dispute enforce ${number}`;
}

async function demand(
  io: Io,
  attester: Address,
  number: bigint,
  kind: Kind,
  index: bigint,
  { as, bond = false }: DemandOptions,
): Promise<void> {
  const purse = await openPurse(connect(), as, io);
  const { Demands } = purse.contracts;
  await assertItem(purse, attester, number, kind, index);
  const bondedWei = bond ? await putUpBond(purse) : 0n;
  const { price, transactionHash } = await demandItem().catch((error: unknown) => {
    throw bondedWei > 0n ? withBondBack(error, bondedWei, as) : error;
  });
  const made = (await readDemands(purse)).at(-1);
  if (made === undefined) throw new CliError(`Transaction ${transactionHash} demanded nothing.`);
  io.result(
    { ...made, transactionHash },
    `Demand ${made.demand}: ${kind} ${index} of batch ${number}, for ${formatOpen(price)} OPEN. Its answer must come by ${showTime(made.deadlineSec)}; it earns them. Without one:\n→ ./openledger dispute enforce ${made.demand}${asOption(as)}`,
  );

  async function demandItem() {
    const price = await purse.public.readContract({
      ...Demands,
      functionName: "priceOf",
      args: [attester, number],
      ...now,
    });
    const { transactionHash } = await transact(purse, {
      ...Demands,
      functionName: "demand",
      args: [attester, Number(number), kinds.indexOf(kind), Number(index)],
      value: price,
    });
    return { price, transactionHash };
  }
}

/** @throws CliError unless the batch stands, can still be challenged, and has this item: nothing is paid for one that has not */
async function assertItem(
  { public: chain, contracts: { AttributionLedger } }: Purse,
  attester: Address,
  number: bigint,
  kind: Kind,
  index: bigint,
): Promise<void> {
  const batch = await chain.readContract({
    ...AttributionLedger,
    functionName: "pendingBatchOf",
    args: [attester, number],
    ...now,
  });
  const count = {
    receipt: batch.receiptCount,
    line: batch.journalCount,
    balance: batch.balanceCount,
    row: 0,
  }[kind];
  if (index < BigInt(count)) return;
  throw new CliError(`Batch ${number} has no ${kind} ${index}.`, {
    expected: count === 0 ? `it has no ${kind} at all` : `0 to ${count - 1}`,
    actual: `${index}`,
    code: "no-such-item",
  });
}

/** @returns what was missing of the bond that a demand needs, and was put up: wei */
async function putUpBond(purse: Purse): Promise<bigint> {
  const { AttributionLedger, ProtocolParameters } = purse.contracts;
  const [[bondWei], minimum] = await Promise.all([
    purse.public.readContract({
      ...AttributionLedger,
      functionName: "attesterOf",
      args: [purse.account.address],
      ...now,
    }),
    purse.public.readContract({ ...ProtocolParameters, functionName: "minimumBondWei", ...now }),
  ]);
  if (bondWei >= minimum) return 0n;
  await transact(purse, { ...AttributionLedger, functionName: "depositBond", value: minimum - bondWei });
  return minimum - bondWei;
}

/** The same error, which says where the bond is that was put up before it. */
function withBondBack(error: unknown, bondedWei: bigint, as: string): CliError {
  const { message, fix = [], ...rest } = describeError(error);
  const amount = formatOpen(bondedWei);
  return new CliError(`${message} The bond of ${amount} OPEN was put up before.`, {
    ...rest,
    fix: [...fix, `It comes back with ./openledger dispute unbond ${amount}${asOption(as)}`],
    cause: error,
  });
}

async function enforce(io: Io, number: bigint, as: string): Promise<void> {
  const purse = await openPurse(connect(), as, io);
  const { AttributionLedger, Demands } = purse.contracts;
  const demands = await readDemands(purse);
  const found = demands.find((one) => BigInt(one.demand) === number);
  if (found === undefined)
    throw new CliError(`There is no demand ${number}.`, {
      fix: ["./openledger dispute demands"],
      code: "unknown-demand",
    });
  const stands = await purse.public.readContract({
    ...AttributionLedger,
    functionName: "isSame",
    args: [found.item.attester, BigInt(found.item.number), BigInt(found.item.generation)],
    ...now,
  });
  // A batch that fell for another reason cannot fall again: then only the price is given back.
  const { transactionHash } = await transact(purse, {
    ...Demands,
    functionName: stands ? "enforce" : "returnFee",
    args: [found.item],
  });
  const after = (await readDemands(purse)).find((one) => one.demand === found.demand) ?? found;
  io.result(
    { ...after, transactionHash },
    stands
      ? `Batch ${found.batch} of ${found.attester} is undone, and its attester slashed.\n→ ./openledger dispute withdraw`
      : `The batch had fallen already: ${formatOpen(found.priceWei)} OPEN are credited to ${found.demander}.`,
  );
}
