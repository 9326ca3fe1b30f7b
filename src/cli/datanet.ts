import type { Command } from "commander";
import { formatOpen } from "./amount.ts";
import { define as defineAccess } from "./datanet-access.ts";
import { type RuleOptions, readersOf, ruleOf, withRule } from "./datanet-access-rule.ts";
import { define as defineContributions } from "./datanet-contributions.ts";
import { define as defineEdits } from "./datanet-edits.ts";
import { define as defineElections } from "./datanet-election.ts";
import { datanetNumber } from "./datanet-number.ts";
import { type AccessJson, type TermsOption, withTerms } from "./datanet-pass.ts";
import { define as defineReport } from "./datanet-report.ts";
import { curatorPass, define as defineReview } from "./datanet-review.ts";
import { defineRules } from "./datanet-rules.ts";
import { define as defineVersions } from "./datanet-version.ts";
import { CliError } from "./errors.ts";
import { connect, type NodeClient } from "./http.ts";
import type { Io } from "./io.ts";
import { counted, wholeUpTo } from "./numbers.ts";
import { subcommand } from "./subcommand.ts";
import { pairs, short, table } from "./table.ts";
import { accountName } from "./wallet-account.ts";

export type DatanetJson = {
  readonly datanetId: string;
  readonly owner: string;
  readonly name: string;
  readonly description: string;
  readonly domain: string;
  readonly license: string;
  readonly pool: string;
  readonly trainRows: number;
  readonly heldoutRows: number;
  readonly contributors: number;
  readonly versions: number;
};

export type VersionJson = {
  readonly datanetId: string;
  readonly version: number;
  readonly root: string;
  readonly count: number;
  readonly heldoutCount: number;
  readonly license: string;
  readonly manifestDigest: string;
  readonly transactionHash: string | null;
  readonly recordedAtMs: number;
};

/** The newest ones; the line below them says how the others are listed. */
const versionsShown = 20;

const time = (ms: number) => new Date(ms).toISOString().slice(0, 16).replace("T", " ");

/** `openledger datanet list|create|publish|show`, and what `datanet-version` adds. */
export function define(command: Command, io: Io): void {
  subcommand(command, "list", "List the Datanets, newest first")
    .option("--before <datanet>", "those before this number", datanetNumber)
    .option("--limit <number>", "at most so many", wholeUpTo(100), 20)
    .action(({ before, limit }) => list(io, limit, before));
  withRule(
    subcommand(command, "create", "Create a Datanet, as the node's curator"),
    "--access",
    "who may read its texts: public, request (whom the owner admits) or token (who holds one); public if not said",
  )
    .requiredOption("--name <name>", "what it is called")
    .requiredOption(
      "--licence, --license <id>",
      "SPDX identifier of the licence its rows are given under, such as CC0-1.0",
    )
    .option("--domain <domain>", "what it is about", "general")
    .option("--description <text>", "what belongs into it", "")
    .addHelpText(
      "after",
      "\nThe same name, licence, domain and description again give the same Datanet; where one of them differs, or is left out, another is made.",
    )
    .action((card) => create(io, card));
  withTerms(
    subcommand(command, "publish", "Publish what has been accepted as a new version, as the node's operator"),
  )
    .argument("<datanet>", "its number", datanetNumber)
    .option("--as <name>", "as a curator, named or elected: account of your wallet", accountName)
    .option("--preview", "only show what it would hold, and cost")
    .action((id, { preview, ...who }) => (preview ? next(io, id, who) : publish(io, id, who)));
  subcommand(command, "show", "Show a Datanet with its versions")
    .argument("<datanet>", "its number", datanetNumber)
    .option("--before <version>", "versions before this one", wholeUpTo(0xffff_ffff))
    .action((id, { before }) => show(io, id, before));
  defineRules(command, io);
  defineVersions(command, io);
  defineAccess(command, io);
  defineReview(command, io);
  defineContributions(command, io);
  defineReport(command, io);
  defineEdits(command, io);
  defineElections(command, io);
}

async function list(io: Io, limit: number, before?: string): Promise<void> {
  const query = new URLSearchParams({ limit: String(limit), ...(before === undefined ? {} : { before }) });
  const { datanets } = await connect().get<{ datanets: DatanetJson[] }>(`/v1/datanets?${query}`);
  io.result(
    { datanets },
    datanets.length === 0
      ? "There is no Datanet yet.\n→ ./openledger datanet create --name … --license CC0-1.0"
      : table(datanets, [
          ["Id", ({ datanetId }) => datanetId, "number"],
          ["Name", ({ name }) => name],
          ["Domain", ({ domain }) => domain],
          ["Licence", ({ license }) => license],
          ["Rows", ({ trainRows }) => trainRows, "number"],
          ["Held out", ({ heldoutRows }) => heldoutRows, "number"],
          ["Contributors", ({ contributors }) => contributors, "number"],
          ["Versions", ({ versions }) => versions, "number"],
        ]),
  );
}

type Creation = RuleOptions & {
  readonly name: string;
  readonly license: string;
  readonly domain: string;
  readonly description: string;
  readonly access?: string;
};

async function create(
  io: Io,
  { name, license, domain, description, access, ...options }: Creation,
): Promise<void> {
  const rule = ruleOf("--access", access, options);
  const node = connect();
  const made = await node.post<DatanetJson>(
    "/v1/datanets",
    { name, license, domain, description, ...(rule && { access: rule }) },
    { operator: true },
  );
  const held = await node.get<AccessJson>(`/v1/datanets/${made.datanetId}/access`);
  io.result(
    { ...made, access: held.rule },
    [
      `Datanet ${made.datanetId} "${made.name}" carries ${made.license}; its texts are read by ${readersOf(held.rule)}.`,
      `→ ./openledger contribute ${made.datanetId} rows.jsonl`,
    ].join("\n"),
  );
}

type NextJson = {
  readonly version: number;
  readonly license: string;
  readonly count: number;
  readonly heldoutCount: number;
  readonly contributors: number;
  readonly added: number;
  readonly removed: number;
  readonly pending: number;
  readonly cost: { readonly gas: string; readonly feeWei: string } | null;
};

/** Who asks for a version: the operator, or a curator of the wallet. */
type Publisher = TermsOption & { readonly as?: string };

const publisherOf = async (
  io: Io,
  node: NodeClient,
  id: string,
  { as, ...terms }: Publisher,
  command: string,
) =>
  as === undefined
    ? ({ operator: true } as const)
    : { headers: await curatorPass(io, node, id, { as, ...terms, command }) };

async function next(io: Io, id: string, who: Publisher): Promise<void> {
  const node = connect();
  const by = await publisherOf(io, node, id, who, `datanet publish ${id} --preview`);
  const found = await node.get<NextJson>(`/v1/datanets/${id}/next`, by);
  const { version, count, heldoutCount, contributors, added, removed, pending, cost } = found;
  io.result(
    found,
    cost === null
      ? [
          `There is nothing to publish: ${count === 0 ? "no training row is accepted yet" : `version ${version - 1} holds what is accepted`}${pending === 0 ? "" : `, and ${counted(pending, "row waits", "rows wait")} for curators`}.`,
          ...(pending === 0 ? [] : [`→ ${queueOf(id, who)}`]),
        ].join("\n")
      : [
          pairs([
            ["version", version],
            ["rows", `${count} to train on, ${heldoutCount} held out`],
            ["against the one before", `${added} more, ${removed} gone`],
            ["contributors", contributors],
            ["left out, they wait for curators", pending],
            ["costs about", `${formatOpen(BigInt(cost.feeWei))} OPEN (${cost.gas} gas)`],
          ]),
          `→ ./openledger datanet publish ${id}`,
        ].join("\n"),
  );
}

const queueOf = (id: string, { as = "<curator>" }: Publisher) =>
  `./openledger datanet queue ${id} --as ${as}`;

async function publish(io: Io, id: string, who: Publisher): Promise<void> {
  const node = connect();
  const by = await publisherOf(io, node, id, who, `datanet publish ${id}`);
  const version = await node
    .post<VersionJson>(`/v1/datanets/${id}/versions`, undefined, by)
    .catch((error: unknown) => {
      if (!(error instanceof CliError) || error.code !== "nothing-to-publish") throw error;
      const waits = Number(error.details?.pending ?? 0) > 0;
      const fix = waits ? queueOf(id, who) : `./openledger contribute ${id} <file>`;
      throw new CliError(error.message, { ...error, fix: [fix], cause: error });
    });
  io.result(
    version,
    [
      `Version ${version.version} of Datanet ${id} is published: ${counted(version.count, "row")}, ${version.heldoutCount} held out.`,
      pairs([
        ["root", version.root],
        ["transaction", version.transactionHash ?? "–"],
      ]),
      `→ ./openledger finetune --datanet ${id}@${version.version} --model <name>`,
    ].join("\n"),
  );
}

async function show(io: Io, id: string, before?: number): Promise<void> {
  const node = connect();
  const page = new URLSearchParams({
    limit: String(versionsShown),
    ...(before !== undefined && { before: String(before) }),
  });
  const [datanet, { rule }, { versions }] = await Promise.all([
    node.get<DatanetJson>(`/v1/datanets/${id}`),
    node.get<AccessJson>(`/v1/datanets/${id}/access`),
    node.get<{ versions: VersionJson[] }>(`/v1/datanets/${id}/versions?${page}`),
  ]);
  const facts = pairs([
    ["name", datanet.name],
    ["description", datanet.description || "–"],
    ["domain", datanet.domain],
    ["licence", datanet.license],
    ["owner", datanet.owner],
    ["common pool", datanet.pool],
    ["texts are read by", readersOf(rule)],
    ["rows", `${datanet.trainRows} to train on, ${datanet.heldoutRows} held out`],
    ["contributors", datanet.contributors],
  ]);
  const oldest = versions.at(-1)?.version;
  const published = table(versions, [
    ["Version", ({ version }) => version, "number"],
    ["Rows", ({ count }) => count, "number"],
    ["Held out", ({ heldoutCount }) => heldoutCount, "number"],
    ["Licence", ({ license }) => license],
    ["Root", ({ root }) => short(root)],
    ["Published", ({ recordedAtMs }) => time(recordedAtMs)],
  ]);
  io.result(
    { ...datanet, access: rule, published: versions },
    [
      `${facts}\n`,
      versions.length > 0
        ? published
        : datanet.versions === 0
          ? `No version yet.\n→ ./openledger datanet publish ${id}`
          : `No version before ${before}.`,
      ...(versions.length === versionsShown && (oldest as number) > 1
        ? [`→ ./openledger datanet show ${id} --before ${oldest}`]
        : []),
    ].join("\n"),
  );
}
