import type { Command } from "commander";
import type { Calibration } from "../protocol/index.ts";
import { formatOpen } from "./amount.ts";
import { connect } from "./http.ts";
import type { Io } from "./io.ts";
import { short, table } from "./table.ts";

type ModelJson = {
  readonly id: string;
  readonly parent: string | null;
  readonly owned_by: string;
  readonly openledger: {
    readonly release: string | null;
    readonly prompt_wei_per_token: string;
    readonly completion_wei_per_token: string;
    readonly context_tokens: number;
    readonly calibration: { readonly status: Calibration["status"]; readonly label: string } | null;
  };
};

/** OPEN for a million tokens: what one costs has too many zeros to read. */
const perMillion = (wei: string) => (wei === "0" ? "free" : formatOpen(BigInt(wei) * 1_000_000n));

const attribution: Record<Calibration["status"], string> = {
  separates: "calibrated",
  "not-separated": "NO BETTER THAN SHARED WORDS",
  unmeasured: "NOT CALIBRATED",
};

/** `openledger models`: what can be asked, and what it costs. */
export function define(command: Command, io: Io): void {
  command.action(async () => {
    const { data } = await connect().get<{ data: ModelJson[] }>("/v1/models");
    io.result(
      { models: data },
      `${table(data, [
        ["Model", ({ id }) => id],
        ["Base", ({ parent }) => parent ?? "–"],
        ["Release", ({ openledger: { release } }) => (release === null ? "–" : short(release))],
        ["Read", ({ openledger }) => perMillion(openledger.prompt_wei_per_token), "number"],
        ["Written", ({ openledger }) => perMillion(openledger.completion_wei_per_token), "number"],
        ["Context", ({ openledger }) => openledger.context_tokens, "number"],
        [
          "Attribution",
          ({ openledger: { calibration } }) => (calibration ? attribution[calibration.status] : "–"),
        ],
      ])}\n\nPrices are OPEN for a million tokens.`,
    );
  });
}
