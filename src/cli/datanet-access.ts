/** `openledger datanet access|ask|readers|reads`: who may read a Datanet's texts, and who did. */
import { type Command, Option } from "commander";
import { type RuleOptions, readersOf, ruleOf, withRule } from "./datanet-access-rule.ts";
import { datanetNumber } from "./datanet-number.ts";
import { type AccessJson, askForPass, type TermsOption, withTerms } from "./datanet-pass.ts";
import { CliError, exitCodes } from "./errors.ts";
import { connect } from "./http.ts";
import type { Io } from "./io.ts";
import { wholeUpTo } from "./numbers.ts";
import { subcommand } from "./subcommand.ts";
import { oneLine, pairs, plain, table } from "./table.ts";
import { asOption, withAccount } from "./wallet-account.ts";

type Setting = RuleOptions & { readonly set?: string };
type ReaderJson = {
  readonly reader: string;
  readonly state: string;
  readonly purpose: string;
  readonly reason: string | null;
  readonly askedAtMs: number;
};
type ReadJson = {
  readonly version: number;
  readonly reader: string;
  readonly what: string;
  readonly hourMs: number;
  readonly times: number;
};

const time = (ms: number) => `${new Date(ms).toISOString().slice(0, 16).replace("T", " ")} UTC`;

export function define(command: Command, io: Io): void {
  withRule(
    subcommand(command, "access", "Show or set who may read a Datanet's texts"),
    "--set",
    "public, request (whom the owner admits) or token (who holds one); as the node's operator",
  )
    .argument("<datanet>", "its number", datanetNumber)
    .action((id, setting: Setting) => access(io, id, setting));
  withTerms(
    withAccount(
      subcommand(
        command,
        "ask",
        "Ask to read a Datanet whose texts are gated, accepting its terms by signature",
      ),
      "account of your wallet that reads",
    ),
  )
    .argument("<datanet>", "its number", datanetNumber)
    .option("--purpose <text>", "what for, in your own words, for the owner", "")
    .action((id, options) => ask(io, id, options));
  subcommand(command, "readers", "Show who asked to read, and decide; as the node's operator")
    .argument("<datanet>", "its number", datanetNumber)
    .addOption(new Option("--admit <address>", "let this one read").conflicts("refuse"))
    .option("--refuse <address>", "do not, and end the passes it has")
    .option("--reason <text>", "for the reader")
    .option("--offset <number>", "leave out so many of the list", wholeUpTo(1_000_000_000, 0), 0)
    .action((id, options) => readers(io, id, options));
  subcommand(command, "reads", "Show what was read by whom, by the hour; as the node's operator")
    .argument("<datanet>", "its number", datanetNumber)
    .action((id) => reads(io, id));
}

async function access(io: Io, id: string, setting: Setting): Promise<void> {
  const node = connect();
  const path = `/v1/datanets/${id}/access`;
  const wanted = ruleOf("--set", setting.set, setting);
  const found =
    wanted === undefined
      ? await node.get<AccessJson>(path)
      : await node.put<AccessJson>(path, wanted, { operator: true });
  const { rule } = found;
  io.result(
    found,
    [
      pairs([
        ["texts are read by", readersOf(rule)],
        ...(rule.kind === "public" ? [] : ([["terms digest", found.termsDigest]] as [string, string][])),
      ]),
      ...(rule.terms === undefined
        ? []
        : ["", plain(rule.terms), "", `→ ./openledger datanet ask ${id} --accept-terms`]),
    ].join("\n"),
  );
}

type Asking = TermsOption & { readonly as: string; readonly purpose: string };

async function ask(io: Io, id: string, options: Asking): Promise<void> {
  const node = connect();
  const admission = await askForPass(io, node, id, { ...options, command: `datanet ask ${id}` });
  if (admission.state === "refused")
    throw new CliError(`You may not read Datanet ${id}: ${admission.reason}.`, { code: "refused" });
  io.result(
    admission,
    admission.state === "asked"
      ? `The owner has been asked. Ask again once you are admitted.\n→ ./openledger datanet ask ${id}${asOption(options.as)} --accept-terms`
      : `${admission.pass}\n\nReads Datanet ${id} until ${time(admission.expiresAtMs)}, as --pass of 'datanet export', 'datanet diff' and 'contribute', or as Authorization: Bearer.`,
  );
}

async function readers(
  io: Io,
  id: string,
  { admit, refuse, reason, offset }: { admit?: string; refuse?: string; reason?: string; offset: number },
): Promise<void> {
  if (reason !== undefined && admit === undefined && refuse === undefined)
    throw new CliError("--reason goes with --admit or --refuse.", { exitCode: exitCodes.usage });
  const node = connect();
  const path = `/v1/datanets/${id}/readers`;
  const [reader, state] = admit === undefined ? [refuse, "refused"] : [admit, "admitted"];
  if (reader !== undefined)
    await node.send("PUT", `${path}/${reader}`, { body: { state, reason }, operator: true });
  const found = await node.get<{ total: number; readers: ReaderJson[] }>(`${path}?offset=${offset}`, {
    operator: true,
  });
  const shown = offset + found.readers.length;
  io.result(
    found,
    found.readers.length === 0
      ? "Nobody has asked."
      : [
          table(found.readers, [
            ["Reader", (one) => one.reader],
            ["", (one) => one.state],
            ["Asked", ({ askedAtMs }) => time(askedAtMs)],
            ["Purpose", ({ purpose }) => oneLine(purpose, 60)],
          ]),
          ...(shown < found.total ? [`… ${found.total} in all: --offset ${shown} shows the next`] : []),
        ].join("\n\n"),
  );
}

async function reads(io: Io, id: string): Promise<void> {
  const found = await connect().get<{ reads: ReadJson[] }>(`/v1/datanets/${id}/reads`, { operator: true });
  io.result(
    found,
    found.reads.length === 0
      ? "Nobody has read it."
      : table(found.reads, [
          ["Hour", ({ hourMs }) => time(hourMs)],
          ["Version", ({ version }) => version, "number"],
          ["What", ({ what }) => what],
          ["Reader", ({ reader }) => reader],
          ["Times", ({ times }) => times, "number"],
        ]),
  );
}
