import { type Command, InvalidArgumentError, Option } from "commander";
import { optionalChecks, type Rules } from "../datanets/index.ts";
import { formatOpen, parseOpen } from "./amount.ts";
import { datanetNumber } from "./datanet-number.ts";
import { CliError, exitCodes } from "./errors.ts";
import { readText } from "./files.ts";
import { connect } from "./http.ts";
import type { Io } from "./io.ts";
import { wholeUpTo } from "./numbers.ts";
import { subcommand } from "./subcommand.ts";
import { pairs } from "./table.ts";
import { addressArgument } from "./wallet-account.ts";

const list = (text: string) => (text === "" ? [] : text.split(",").map((part) => part.trim()));

function checks(text: string): string[] {
  const names = text === "nothing" ? [] : list(text);
  const unknown = names.find((name) => !(optionalChecks as readonly string[]).includes(name));
  if (unknown === undefined) return names;
  throw new InvalidArgumentError(`"${unknown}" is not one of ${optionalChecks.join(", ")}, or "nothing".`);
}

const accounts = (text: string) => (text === "anybody" ? [] : list(text).map(addressArgument));

const length = (text: string) => (text === "any" ? 0 : wholeUpTo(1_000_000)(text));

type Options = {
  readonly refuse?: string[];
  readonly languages?: string[];
  readonly minTokens?: number;
  readonly maxTokens?: number;
  readonly mask?: boolean;
  readonly stake?: bigint;
  readonly contributors?: string[];
  readonly file?: string;
};

/** `openledger datanet rules <datanet>`: shows what a Datanet asks of its rows, or changes what is given. */
export function defineRules(command: Command, io: Io): void {
  subcommand(command, "rules", "Show or change what a Datanet asks of its rows, as the node's curator")
    .argument("<datanet>", "its number", datanetNumber)
    .option("--refuse <checks>", `which checks refuse, of ${optionalChecks.join(", ")}; or "nothing"`, checks)
    .option("--languages <codes>", 'such as "en,de"; "" for any', list)
    .option("--min-tokens <number>", 'least length of a row, or "any"', length)
    .option("--max-tokens <number>", 'greatest length of a row, or "any"', length)
    .option("--mask", "mask personal data before rows are signed")
    .option("--no-mask", "leave personal data in")
    .option("--stake <amount>", "OPEN that contributors must have staked, 0: none", parseOpen)
    .option("--contributors <addresses>", 'whose rows it takes, between commas; or "anybody"', accounts)
    .addOption(
      new Option("--file <json>", "take the rules from a file instead").conflicts([
        ...["refuse", "languages", "minTokens", "maxTokens", "mask", "stake", "contributors"],
      ]),
    )
    .action((id: string, options: Options) => rules(io, id, options));
}

async function rules(io: Io, id: string, options: Options): Promise<void> {
  const node = connect();
  const path = `/v1/datanets/${id}/rules`;
  const { file, ...given } = options;
  const now = await node.get<Rules>(path);
  const isChange = file !== undefined || Object.keys(given).some((key) => key !== "json");
  const wanted = file === undefined ? changed(now, given) : readRules(file);
  const held = isChange ? await node.put<Rules>(path, wanted, { operator: true }) : now;
  io.result(held, show(held));
}

function changed(
  now: Rules,
  { refuse, languages, minTokens, maxTokens, mask, stake, contributors }: Options,
): object {
  const bound = (key: string, value: number | undefined) =>
    value === undefined ? {} : { [key]: value === 0 ? undefined : value };
  return {
    ...now,
    ...(refuse && { refuse }),
    ...(languages && { languages: languages.length === 0 ? undefined : languages }),
    ...bound("minTokens", minTokens),
    ...bound("maxTokens", maxTokens),
    ...(stake === undefined ? {} : { stakeWei: stake === 0n ? undefined : stake.toString() }),
    ...(contributors && { contributors: contributors.length === 0 ? undefined : contributors }),
    ...(mask === undefined ? {} : { maskPersonalData: mask }),
  };
}

function readRules(file: string): unknown {
  const text = readText(file);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new CliError(`${file} is not JSON: ${(cause as Error).message}`, {
      expected: '{"refuse": ["contamination"], "maskPersonalData": true}, for instance',
      exitCode: exitCodes.usage,
      cause,
    });
  }
}

function show({
  refuse,
  languages,
  minTokens,
  maxTokens,
  maskPersonalData,
  stakeWei,
  contributors,
}: Rules): string {
  const tokens = [minTokens && `at least ${minTokens}`, maxTokens && `at most ${maxTokens}`].filter(Boolean);
  return pairs([
    ["refused", ["malformed rows", "duplicates", ...refuse].join(", ")],
    ["noted", optionalChecks.filter((name) => !refuse.includes(name)).join(", ") || "–"],
    ["languages", languages?.join(", ") ?? "any"],
    ["tokens", tokens.join(", ") || "any number"],
    ["personal data", maskPersonalData ? "masked before rows are signed" : "as given"],
    ["rows are taken of", contributors?.join(", ") ?? "anybody"],
    ["stake of contributors", stakeWei === undefined ? "none" : `${formatOpen(BigInt(stakeWei))} OPEN`],
  ]);
}
