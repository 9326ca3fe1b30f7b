import type { Command } from "commander";
import { formatOpen } from "./amount.ts";
import { connect } from "./http.ts";
import type { Io } from "./io.ts";
import { pairs, short, table } from "./table.ts";

type StatusJson = {
  readonly version: string;
  readonly operator: string;
  readonly base: string;
  /** What serving holds the base's weights in. */
  readonly precision: string;
  /** Where serving computes; null where other servers do. */
  readonly device: string | null;
  readonly chain: {
    readonly chainId: number;
    readonly height: number;
    readonly transactions: number;
    readonly ceilingTransactions: number;
    readonly trouble: string | null;
  };
  readonly datanets: readonly {
    readonly id: string;
    readonly name: string;
    readonly license: string;
    readonly versions: number;
    readonly examples: number;
    readonly contributors: number;
  }[];
  readonly models: readonly {
    readonly name: string;
    readonly release: string;
    readonly createdAtMs: number;
  }[];
  readonly receipts: { readonly pending: number; readonly pendingWei: string };
  readonly batches: readonly {
    readonly id: number;
    readonly txHash: string | null;
    readonly receipts: number;
    readonly totalWei: string;
    readonly state: string;
  }[];
};

/** `openledger status`: the running node at a glance. */
export function define(command: Command, io: Io): void {
  command.action(async () => {
    const node = connect();
    const status = await node.get<StatusJson>("/v1/status");
    io.result({ url: node.url, ...status }, show(node.url, status));
  });
}

/** The chain keeps its whole history in memory: it takes so many transactions and no more. */
function historyUsed({ transactions, ceilingTransactions }: StatusJson["chain"]): string {
  const used = (100 * transactions) / ceilingTransactions;
  const percent = used < 0.1 && transactions > 0 ? "less than 0.1" : used.toFixed(1);
  return `${transactions} of ${ceilingTransactions} transactions, ${percent} %${used >= 80 ? ": nearly full, fees rise" : ""}`;
}

function show(
  url: string,
  { version, operator, base, precision, device, chain, datanets, models, receipts, batches }: StatusJson,
): string {
  const section = (text: string) => ["", text];
  return [
    pairs([
      ["node", `${url}, version ${version}`],
      ["operator", operator],
      ["chain", `${chain.chainId}, block ${chain.height}`],
      ["history", historyUsed(chain)],
      ...(chain.trouble === null ? [] : ([["TROUBLE", chain.trouble]] as const)),
      [
        "base model",
        `${base}${precision === "f32" ? "" : `, served in ${precision}`}${device === "webgpu" ? ", on WebGPU" : ""}`,
      ],
      ["receipts", `${receipts.pending} wait to be settled, ${formatOpen(BigInt(receipts.pendingWei))} OPEN`],
    ]),
    ...section(
      datanets.length === 0
        ? "No Datanet yet.\n→ ./openledger datanet create --name … --license CC0-1.0"
        : table(datanets, [
            ["Datanet", ({ id }) => id, "number"],
            ["Name", ({ name }) => name],
            ["Licence", ({ license }) => license],
            ["Versions", ({ versions }) => versions, "number"],
            ["Examples", ({ examples }) => examples, "number"],
            ["Contributors", ({ contributors }) => contributors, "number"],
          ]),
    ),
    ...section(
      models.length === 0
        ? "No model is released yet.\n→ ./openledger finetune --datanet 1@1 --model <name>"
        : table(models, [
            ["Model", ({ name }) => name],
            ["Release", ({ release }) => short(release)],
            [
              "Released",
              ({ createdAtMs }) => new Date(createdAtMs).toISOString().slice(0, 16).replace("T", " "),
            ],
          ]),
    ),
    ...(batches.length === 0
      ? []
      : section(
          table(batches, [
            ["Batch", ({ id }) => id, "number"],
            ["Receipts", ({ receipts: count }) => count, "number"],
            ["OPEN", ({ totalWei }) => formatOpen(BigInt(totalWei)), "number"],
            ["State", ({ state }) => state],
            ["Transaction", ({ txHash }) => (txHash === null ? "–" : short(txHash))],
          ]),
        )),
  ].join("\n");
}
