import type { Command } from "commander";
import type { Person } from "../operators/index.ts";
import { showDate } from "./dates.ts";
import { connect } from "./http.ts";
import type { Io } from "./io.ts";
import { subcommand } from "./subcommand.ts";
import { table } from "./table.ts";

const asOperator = { operator: true } as const;
const place = (address: string) => `/v1/operator/people/${encodeURIComponent(address)}`;
type PeopleJson = { readonly people: readonly Person[] };
type DismissalJson = PeopleJson & {
  readonly dismissed: readonly string[];
  readonly keys: readonly { readonly id: string; readonly name: string }[];
};

/** `openledger operator admit|dismiss|list`: people who act as the operator with their wallets, in the web application mostly. */
export function define(command: Command, io: Io): void {
  subcommand(command, "admit", "Let a wallet act in the operator's name when it is signed in")
    .argument("<address>", "the wallet's address, as the web application shows it")
    .action(async (address: string) => {
      const found = await connect().put<PeopleJson>(place(address), {}, asOperator);
      io.result(found, `${show(found)}\n\nIt can do everything but back up the node, from now on.`);
    });
  subcommand(
    command,
    "dismiss",
    "Let it act for itself only, from now on; whom it admitted too, and end the keys they made",
  )
    .argument("<address>", "as list shows it")
    .action(async (address: string) => {
      const found = await connect().delete<DismissalJson>(place(address), asOperator);
      const ended = [...found.dismissed, ...found.keys.map(({ id, name }) => `key ${id} (${name})`)];
      const gone =
        ended.length === 0 ? "It was none." : `Ended:\n${ended.map((one) => `  ${one}`).join("\n")}`;
      io.result(found, `${show(found)}\n\n${gone}`);
    });
  subcommand(command, "list", "Show who acts as the operator").action(async () => {
    const found = await connect().get<PeopleJson>("/v1/operator/people", asOperator);
    io.result(found, show(found));
  });
}

const show = ({ people }: PeopleJson): string =>
  table(people, [
    ["address", ({ address }) => address],
    ["admitted by", ({ admittedBy }) => admittedBy],
    [
      "since",
      ({ admittedAtMs }) => (admittedAtMs === null ? "" : showDate(Math.floor(admittedAtMs / 1_000))),
    ],
  ]);
