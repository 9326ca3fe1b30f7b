/** `openledger datanet review|queue|judge`: rows that wait for curators. */
import { type Command, InvalidArgumentError } from "commander";
import type { Example } from "../protocol/index.ts";
import { noteOf } from "./contribute-show.ts";
import { datanetNumber } from "./datanet-number.ts";
import { askForPass, passHeaders, type TermsOption, withTerms } from "./datanet-pass.ts";
import { CliError, exitCodes } from "./errors.ts";
import { readText } from "./files.ts";
import { connect, type NodeClient } from "./http.ts";
import type { Io } from "./io.ts";
import { counted, wholeUpTo } from "./numbers.ts";
import { excerpt } from "./receipt-examples.ts";
import { subcommand } from "./subcommand.ts";
import { pairs, short, table } from "./table.ts";
import { asOption, withAccount } from "./wallet-account.ts";

type StandingJson = {
  readonly overlap: number | null;
  readonly pending: number;
  readonly accepted: number;
  readonly rejected: number;
  readonly agreement: number | null;
  readonly curators: readonly { curator: string; reviews: number; withOutcome: number | null }[];
  readonly contributors: readonly {
    contributor: string;
    accepted: number;
    rejected: number;
    judged: number;
    reputation: number;
  }[];
};
type QueueJson = {
  readonly rows: readonly {
    row: number;
    split: string;
    example: Example;
    reasons: readonly { check: string; message: string }[];
    judged: number;
  }[];
};

const time = (seconds: number) =>
  `${new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ")} UTC`;
const percent = (part: number | null) => (part === null ? "–" : `${Math.round(100 * part)} %`);

/** Rows and ranges of them, such as 3,17-20. @throws InvalidArgumentError */
export function rowNumbers(text: string): number[] {
  return text.split(",").flatMap((part) => {
    const [, first, last = first] = /^([1-9]\d{0,14})(?:-([1-9]\d{0,14}))?$/.exec(part.trim()) ?? [];
    const length = Number(last) - Number(first) + 1;
    // As many as a node takes at once.
    if (length >= 1 && length <= 1_000) return Array.from({ length }, (_, n) => Number(first) + n);
    throw new InvalidArgumentError(
      "Rows are numbers or ranges of at most 1000 between commas, as the queue shows them, such as 3,17-20.",
    );
  });
}

type Edit = { readonly row: number; readonly file: string };
type Judgement = TermsOption & {
  readonly as: string;
  readonly accept: readonly number[];
  readonly reject: readonly number[];
  readonly edit: readonly Edit[];
  readonly reason?: string;
};

function editOf(text: string, before: readonly Edit[]): Edit[] {
  const [, row, file] = /^([1-9]\d{0,14})=(.+)$/s.exec(text) ?? [];
  if (row === undefined || file === undefined)
    throw new InvalidArgumentError("Expected a row and a file, such as 3=better.json.");
  return [...before, { row: Number(row), file }];
}

function readExample(file: string): unknown {
  const text = readText(file);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new CliError(`${file} is not JSON: ${(cause as Error).message}`, {
      expected: '{"prompt": "…", "completion": "…"} or {"messages": […]}',
      exitCode: exitCodes.usage,
      cause,
    });
  }
}

/** How many curators; 0 for none. */
function overlapOf(text: string): number {
  const overlap = Number(text);
  if (Number.isInteger(overlap) && overlap >= 0 && overlap <= 9) return overlap;
  throw new InvalidArgumentError("Expected 0 (nobody reviews) to 9.");
}

export function define(command: Command, io: Io): void {
  subcommand(command, "review", "Show where curation stands, or set how many curators judge each row")
    .argument("<datanet>", "its number", datanetNumber)
    .option("--overlap <number>", "so many judge each row, 0: nobody; as the node's operator", overlapOf)
    .action((id, { overlap }) => review(io, id, overlap));
  subcommand(
    command,
    "curator",
    "Show who curates, or name a curator on chain as the Datanet's owner: the node's operator",
  )
    .argument("<datanet>", "its number", datanetNumber)
    .argument("[address]", "who curates from now on")
    .option("--remove", "take the name away")
    .action((id, address, options) => {
      if (address !== undefined) return nameCurator(io, id, address, options);
      if (options.remove === undefined) return curators(io, id);
      throw new CliError("Whose name? --remove needs an address.", {
        fix: [`./openledger datanet curator ${id} lists who curates`],
        exitCode: exitCodes.usage,
      });
    });
  withTerms(
    withAccount(
      subcommand(command, "queue", "Take rows to judge, yours for half an hour; as a curator"),
      "account of your wallet that curates",
    ),
  )
    .argument("<datanet>", "its number", datanetNumber)
    .option("--limit <number>", "at most so many", wholeUpTo(200), 20)
    .action((id, options) => queue(io, id, options));
  withTerms(
    withAccount(
      subcommand(command, "judge", "Accept and reject rows of the queue, all of these or none; as a curator"),
      "account of your wallet that curates",
    ),
  )
    .argument("<datanet>", "its number", datanetNumber)
    .option("--accept <rows>", "such as 3,17-20", rowNumbers, [])
    .option("--reject <rows>", "such as 4", rowNumbers, [])
    .option("--edit <row=file>", "reject it, and propose the example in this JSON file instead", editOf, [])
    .option("--reason <text>", "why they are rejected; their contributors see it")
    .action((id, options) => judge(io, id, options));
}

async function review(io: Io, id: string, overlap?: number): Promise<void> {
  const node = connect();
  const path = `/v1/datanets/${id}/review`;
  if (overlap !== undefined)
    await node.send("PUT", path, { body: { overlap: overlap === 0 ? null : overlap }, operator: true });
  const standing = await node.get<StandingJson>(path);
  const { agreement, curators, contributors, pending, accepted, rejected } = standing;
  io.result(
    standing,
    [
      pairs([
        [
          "each row is judged by",
          standing.overlap === null ? "nobody: what passes the checks counts" : standing.overlap,
        ],
        ["waiting", pending],
        ["accepted, rejected", `${accepted}, ${rejected}`],
        ["agreement (Krippendorff's alpha)", agreement === null ? "–" : agreement.toFixed(2)],
      ]),
      ...(curators.length === 0
        ? []
        : [
            table(curators, [
              ["Curator", ({ curator }) => short(curator)],
              ["Judged", ({ reviews }) => reviews, "number"],
              ["As it came out", ({ withOutcome }) => percent(withOutcome), "number"],
            ]),
          ]),
      ...(contributors.length === 0
        ? []
        : [
            table(contributors, [
              ["Contributor", ({ contributor }) => short(contributor)],
              ["Accepted", (one) => one.accepted, "number"],
              ["Rejected", (one) => one.rejected, "number"],
              ["Judged", (one) => one.judged, "number"],
              ["At least", ({ reputation }) => percent(reputation), "number"],
            ]),
          ]),
    ].join("\n\n"),
  );
}

type CuratorsJson = {
  readonly curators: readonly {
    readonly curator: string;
    readonly named: boolean;
    readonly electedUntil: number | null;
  }[];
  readonly electionsAllowed: boolean;
};

async function curators(io: Io, id: string): Promise<void> {
  const found = await connect().get<CuratorsJson>(`/v1/datanets/${id}/curators`);
  io.result(
    found,
    found.curators.length === 0
      ? `Only its owner curates Datanet ${id}.\n→ ./openledger datanet curator ${id} <address>`
      : table(found.curators, [
          ["Curator", ({ curator }) => curator],
          ["Named", ({ named }) => (named ? "yes" : "–")],
          ["Elected until", ({ electedUntil: at }) => (at === null ? "–" : time(at))],
        ]),
  );
}

async function nameCurator(
  io: Io,
  id: string,
  address: string,
  { remove = false }: { remove?: boolean },
): Promise<void> {
  await connect().send("PUT", `/v1/datanets/${id}/curators/${address}`, {
    body: { allowed: !remove },
    operator: true,
  });
  io.result(
    { curator: address, allowed: !remove },
    `${address} ${remove ? "curates Datanet" : "is a curator of Datanet"} ${id}${remove ? " no more" : ""}.`,
  );
}

/** The header that lets a curator in. @throws CliError `not-curator` */
export async function curatorPass(
  io: Io,
  node: NodeClient,
  id: string,
  asking: TermsOption & { readonly as: string; readonly command: string },
): Promise<Record<string, string>> {
  const admission = await askForPass(io, node, id, { ...asking, purpose: "curation" });
  if (admission.state === "admitted") return passHeaders(admission.pass);
  throw new CliError(`${asking.as} is no curator of Datanet ${id}.`, {
    fix: [
      `./openledger datanet curator ${id} lists them: its owner names curators, or contributors elect them.`,
    ],
    code: "not-curator",
  });
}

async function queue(
  io: Io,
  id: string,
  { limit, ...who }: TermsOption & { as: string; limit: number },
): Promise<void> {
  const node = connect();
  const headers = await curatorPass(io, node, id, { ...who, command: `datanet queue ${id}` });
  const found = await node.post<QueueJson>(`/v1/datanets/${id}/review/queue?limit=${limit}`, undefined, {
    headers,
  });
  io.result(
    found,
    found.rows.length === 0
      ? "Nothing waits for you."
      : [
          table(found.rows, [
            ["Row", ({ row }) => row, "number"],
            ["Split", ({ split }) => split],
            ["Judged", ({ judged }) => judged, "number"],
            ["Example", ({ example }) => excerpt(example)],
            ["Noted", ({ reasons }) => [...new Set(reasons.map(({ check }) => noteOf(check)))].join(", ")],
          ]),
          `→ ./openledger datanet judge ${id}${asOption(who.as)} --accept … --reject … --reason …`,
        ].join("\n\n"),
  );
}

async function judge(
  io: Io,
  id: string,
  { accept, reject, edit, reason = "", ...who }: Judgement,
): Promise<void> {
  if (reject.length + edit.length > 0 && reason.trim() === "")
    throw new CliError("A row is turned down with a reason: its contributor sees it.", {
      fix: ['Add --reason "…": what is wrong with it, and what would be right.'],
      code: "reason-needed",
      exitCode: exitCodes.usage,
    });
  if (accept.length + reject.length + edit.length === 0)
    throw new CliError("Nothing is decided.", {
      expected: "--accept, --reject or --edit, with rows as the queue shows them",
      fix: [`./openledger datanet queue ${id}${asOption(who.as)}`],
      exitCode: exitCodes.usage,
    });
  const node = connect();
  const headers = await curatorPass(io, node, id, { ...who, command: `datanet judge ${id} …` });
  const decisions = [
    ...accept.map((row) => ({ row, decision: "accept" })),
    ...reject.map((row) => ({ row, decision: "reject", reason })),
    ...edit.map(({ row, file }) => ({ row, decision: "reject", reason, proposal: readExample(file) })),
  ];
  const done = await node.post<{ recorded: number; accepted: number; rejected: number }>(
    `/v1/datanets/${id}/review/decisions`,
    { decisions },
    { headers },
  );
  io.result(
    done,
    [
      `${counted(done.recorded, "decision is", "decisions are")} recorded. By ${done.recorded === 1 ? "it" : "them"} ${counted(done.accepted, "row counts", "rows count")} now, and ${done.rejected} ${done.rejected === 1 ? "is" : "are"} turned down.`,
      ...(done.accepted > 0 ? [`→ ./openledger datanet publish ${id}${asOption(who.as)}`] : []),
    ].join("\n"),
  );
}
