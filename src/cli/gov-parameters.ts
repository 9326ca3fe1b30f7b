/** `openledger gov parameters`: every number that governance sets, what it may be, and what it was. */
import { type Command, InvalidArgumentError } from "commander";
import { toHex } from "../protocol/index.ts";
import { showDate } from "./dates.ts";
import { connect } from "./http.ts";
import type { Io } from "./io.ts";
import { everyEvent } from "./logs.ts";
import { feeHeads, parameterId, parameterNames, showParameter, unitOf } from "./parameter.ts";
import { type ChainView, now, openChain } from "./purse.ts";
import { subcommand } from "./subcommand.ts";
import { table } from "./table.ts";

export function defineParameters(command: Command, io: Io): void {
  subcommand(command, "parameters", "List every number that governance sets, with its bounds")
    .option("--history <name>", "every value one of them ever had, feeSplit included", historyName)
    .action(({ history }: { history?: string }) =>
      history === undefined ? list(io) : showHistory(io, history),
    );
}

function historyName(name: string): string {
  if (name === "feeSplit" || parameterNames.includes(name)) return name;
  throw new InvalidArgumentError(`There are feeSplit, ${parameterNames.join(", ")}.`);
}

/** Value and bounds of one parameter, in its own unit. */
export async function readParameter(chain: ChainView, name: string) {
  const { ProtocolParameters } = chain.contracts;
  const args = [parameterId(name)] as const;
  const [value, [lowest, highest]] = await Promise.all([
    chain.public.readContract({ ...ProtocolParameters, functionName: "value", args, ...now }),
    chain.public.readContract({ ...ProtocolParameters, functionName: "bounds", args }),
  ]);
  return { name, unit: unitOf(name), value, lowest, highest };
}

export async function readFeeSplit(chain: ChainView) {
  const { ProtocolParameters } = chain.contracts;
  const [split, [lowest, highest]] = await Promise.all([
    chain.public.readContract({ ...ProtocolParameters, functionName: "feeSplit", ...now }),
    chain.public.readContract({ ...ProtocolParameters, functionName: "feeBounds" }),
  ]);
  return feeHeads.map((head, at) => ({
    head,
    bps: split[head],
    lowest: lowest[at] as number,
    highest: highest[at] as number,
  }));
}

const percent = (bps: number) => `${bps / 100} %`;

async function list(io: Io): Promise<void> {
  const chain = await openChain(connect());
  const [values, split] = await Promise.all([
    Promise.all(parameterNames.map((name) => readParameter(chain, name))),
    readFeeSplit(chain),
  ]);
  io.result(
    { parameters: values, feeSplit: split },
    [
      table(split, [
        ["Fee split", ({ head }) => (head === "owners" ? "owners, of data" : head)],
        ["Part", ({ bps }) => percent(bps), "number"],
        ["Lowest", ({ lowest }) => percent(lowest), "number"],
        ["Highest", ({ highest }) => percent(highest), "number"],
      ]),
      "",
      table(values, [
        ["Parameter", ({ name }) => name],
        ["Value", ({ name, value }) => showParameter(name, value), "number"],
        [
          "Lowest",
          ({ name, unit, lowest }) => (unit === "address" ? "" : showParameter(name, lowest)),
          "number",
        ],
        [
          "Highest",
          ({ name, unit, highest }) => (unit === "address" ? "" : showParameter(name, highest)),
          "number",
        ],
      ]),
      "",
      "→ ./openledger gov propose set <parameter> <value>",
    ].join("\n"),
  );
}

/** The packed heads of a fee as the contract stores them: 16 bits each, the operator lowest. */
const unpack = (packed: bigint) =>
  feeHeads.map((head, at) => `${head} ${percent(Number((packed >> BigInt(16 * at)) & 0xffffn))}`).join(", ");

async function showHistory(io: Io, name: string): Promise<void> {
  const chain = await openChain(connect());
  const events = await everyEvent(chain, (range) =>
    chain.public.getContractEvents({
      ...chain.contracts.ProtocolParameters,
      eventName: "ParameterChanged",
      args: { id: parameterId(name) },
      strict: true,
      ...range,
    }),
  );
  const changes = events.map(({ args, transactionHash }) => ({
    fromSec: Number(args.effectiveAt),
    value: args.value,
    transactionHash: toHex(transactionHash),
  }));
  io.result(
    { name, changes },
    table(changes, [
      ["In force from", ({ fromSec }) => showDate(fromSec)],
      [name, ({ value }) => (name === "feeSplit" ? unpack(value) : showParameter(name, value))],
      ["Transaction", ({ transactionHash }) => transactionHash],
    ]),
  );
}
