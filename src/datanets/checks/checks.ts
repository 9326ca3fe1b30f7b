import { setImmediate } from "node:timers/promises";
import { wordHashesOf } from "../../protocol/index.ts";
import { place, type Source } from "../formats/source.ts";
import type { OnUploadProgress } from "../progress.ts";
import type { Split } from "../split.ts";
import type { UploadRow } from "../upload.ts";
import { acceptedTexts, type Stored } from "./accepted.ts";
import { createHeldoutGrams, createMeetings, wordsTogether } from "./contamination.ts";
import { findDuplicates, type RowReference, referencesOf, repeatedIn } from "./duplicates.ts";
import { checkRow, mapSlowly } from "./each-row.ts";
import { languageCheck } from "./language.ts";
import { type CountTokens, lengthCheck } from "./length.ts";
import { licenseCheck } from "./license.ts";
import {
  addRepresentative,
  createRepresentatives,
  type Earlier,
  findNear,
  nearTextOf,
  type Representatives,
} from "./near-duplicates.ts";
import { personalDataCheck } from "./personal-data-check.ts";
import { profanityCheck } from "./profanity.ts";
import { type Rules, readRules } from "./rules.ts";
import { type Check, type CheckRow, checkNames, type Finding, type Reason, type Verdict } from "./verdict.ts";

export type ChecksDependencies = Stored & {
  /** The base model's; without it length is not checked. */
  readonly countTokens?: CountTokens | undefined;
};

export type CheckOptions = {
  readonly split?: Split | undefined;
  /** SPDX expression of the licence the texts come under. */
  readonly sourceLicense?: string | undefined;
  /** Compares rows with each other alone, and with nothing that is there. */
  readonly alone?: boolean | undefined;
  /** Is told as each check begins. */
  readonly onProgress?: OnUploadProgress | undefined;
};

type CheckedUpload = Pick<UploadRow, "line" | "digest" | "example" | "source">;

/** A verdict with the rows it speaks of. */
export type Examined = Verdict & {
  readonly duplicateOf: Earlier | undefined;
  readonly nearOf: Earlier | undefined;
};

export type Examination = {
  readonly rows: readonly Examined[];
  /** To be called when the rows are stored: remembers those that represent themselves. @param ids of the rows, by position */
  keep(ids: readonly (number | undefined)[]): void;
};

export type Checks = {
  /** What becomes of each row, were it contributed now. Stores nothing. @throws DatanetError `unknown-datanet`, `unknown-license` */
  check(datanetId: bigint, rows: readonly CheckedUpload[], options?: CheckOptions): Promise<Verdict[]>;
  /** The same for a contribution; one at a time for a Datanet, from this call to `keep`. */
  examine(datanetId: bigint, rows: readonly CheckedUpload[], options?: CheckOptions): Promise<Examination>;
  /** To be called after rows were accepted or withdrawn by other ways: what is in memory is read again when it is needed. */
  forget(datanetId: bigint): void;
};

/** Representatives in memory, of all Datanets together: about 0.6 GB at the most. The Datanets asked longest ago are forgotten first. */
const representativesMax = 1_500_000;
const rowsBetweenPauses = 200;

/** What an upload goes through, in order; the last one is also storing it. */
const stages = [
  "words",
  "duplicate",
  "length",
  "language",
  "personal-data",
  "profanity",
  "license",
  "contamination",
  "near-duplicate",
  "verdicts",
] as const satisfies readonly (Check["name"] | "words" | "verdicts")[];
type Stage = (typeof stages)[number];

export function createChecks({ database, blobs, countTokens }: ChecksDependencies): Checks {
  const stored = { database, blobs };
  const loaded = new Map<bigint, Promise<Representatives>>();

  const representativesOf = async (datanetId: bigint): Promise<Representatives> => {
    const there = loaded.get(datanetId) ?? load(stored, datanetId);
    loaded.delete(datanetId);
    loaded.set(datanetId, there); // the last is the one asked last
    there.catch(() => loaded.delete(datanetId));
    const found = await there;
    let total = 0;
    for (const [id, each] of [...loaded].reverse()) {
      total += (await each).ids.length;
      if (total > representativesMax && id !== datanetId) loaded.delete(id);
    }
    return found;
  };

  const examine = async (
    datanetId: bigint,
    given: readonly CheckedUpload[],
    { split = "train", sourceLicense, alone = false, onProgress = () => {} }: CheckOptions,
  ): Promise<Examination> => {
    const begin = (stage: Stage) => onProgress({ stage, done: stages.indexOf(stage), of: stages.length });
    begin("words");
    const { rules, license } = await readRules(database, datanetId);
    const licensed = licenseCheck(sourceLicense, license);
    const rows = await mapSlowly(given, checkRow);
    begin("duplicate");
    const digests = rows.map(({ digest }) => digest);
    const duplicateOf = alone ? repeatedIn(digests) : await findDuplicates(database, datanetId, digests);
    const references = await referencesOf(database, idsOf(duplicateOf));
    const findings = new Map<Check["name"], readonly (Finding | undefined)[]>();
    findings.set(
      "duplicate",
      duplicateOf.map((earlier) => earlier && duplicateFinding(whereIs(earlier, given, references))),
    );
    for (const check of [...(await rowChecks(rules, countTokens)), licensed]) {
      begin(check.name as Stage);
      findings.set(check.name, await check.run(rows));
    }
    begin("contamination");
    if (!alone) findings.set("contamination", await contamination(stored, datanetId, rows, split));
    const refusing = new Set<string>(["schema", "duplicate", ...rules.refuse]);
    const out = rows.map((_, i) =>
      [...findings].some(
        ([name, of]) => refusing.has(name) && of[i] !== undefined && of[i]?.mayRefuse !== false,
      ),
    );
    begin("near-duplicate");
    const representatives = alone ? createRepresentatives() : await representativesOf(datanetId);
    const { near, fresh } = await findNear(representatives, rows, out);
    const nearReferences = await referencesOf(database, idsOf(near.map((each) => each?.of)));
    if (idsOf(near.map((each) => each?.of)).some((id) => !nearReferences.has(id))) {
      // A representative was withdrawn since it was read: another may stand for its cluster now.
      loaded.delete(datanetId);
      return examine(datanetId, given, { split, sourceLicense, alone, onProgress });
    }
    findings.set(
      "near-duplicate",
      near.map((each) => each && nearFinding(each.alikePct, whereIs(each.of, given, nearReferences))),
    );
    begin("verdicts");
    return {
      rows: rows.map((_, i) => ({
        ...verdictOf(findings, refusing, i),
        duplicateOf: duplicateOf[i],
        nearOf: near[i]?.of,
      })),
      keep: (ids) => {
        for (const { position, text } of fresh) {
          const id = ids[position];
          if (id !== undefined) addRepresentative(representatives, id, text);
        }
      },
    };
  };

  return {
    check: async (datanetId, rows, options = {}) =>
      (await examine(datanetId, rows, options)).rows.map(({ status, reasons }) => ({ status, reasons })),
    examine: (datanetId, rows, options = {}) => examine(datanetId, rows, options),
    forget: (datanetId) => void loaded.delete(datanetId),
  };
}

/** The checks that look at one row at a time, and so can be run on rows of any number. */
export const rowChecks = async (rules: Rules, countTokens?: CountTokens): Promise<Check[]> => [
  lengthCheck(rules, countTokens),
  await languageCheck(rules),
  personalDataCheck(),
  profanityCheck(),
];

const idsOf = (earlier: readonly (Earlier | undefined)[]): number[] =>
  earlier.flatMap((each) => (each !== undefined && "id" in each ? [each.id] : []));

type Where = { readonly line: number; readonly source?: Source } & Partial<RowReference>;

function whereIs(
  earlier: Earlier,
  given: readonly CheckedUpload[],
  references: ReadonlyMap<number, RowReference>,
): Where {
  if ("position" in earlier) {
    const { line, source } = given[earlier.position] as CheckedUpload;
    return { line, ...(source && { source }) };
  }
  return references.get(earlier.id) as RowReference;
}

/** A row of this upload stands where its file says; rows that were given before are counted. */
const nameOf = ({ line, source, contributionId, contributor }: Where) =>
  contributionId !== undefined
    ? `row ${line} of contribution ${contributionId} by ${contributor}`
    : `${source === undefined ? `row ${line}` : place(source)} of this upload`;

const duplicateFinding = (where: Where): Finding => ({
  message: `It is the same example as ${nameOf(where)}.`,
  details: where,
});

const nearFinding = (alikePct: number, where: Where): Finding => ({
  message: `It repeats ${nameOf(where)}: ${alikePct} % of their word pairs are the same.`,
  details: { ...where, alikePct },
});

/** Reads a Datanet's representatives from its texts. Of near duplicates whose representative was withdrawn, the earliest takes its place. */
async function load(stored: Stored, datanetId: bigint): Promise<Representatives> {
  const representatives = createRepresentatives();
  let count = 0;
  for await (const { id, text, nearOf, isOrphan } of acceptedTexts(stored, datanetId)) {
    if (++count % rowsBetweenPauses === 0) await setImmediate();
    if (nearOf !== null && !isOrphan) continue;
    const compared = nearTextOf(wordHashesOf(text));
    if (compared === undefined || (isOrphan && representatives.index.find(compared) !== undefined)) continue;
    addRepresentative(representatives, id, compared);
  }
  return representatives;
}

/** New training rows against the held-out rows that are there, or new held-out rows against the training rows that are there. */
async function contamination(
  stored: Stored,
  datanetId: bigint,
  rows: readonly CheckRow[],
  split: Split,
): Promise<(Finding | undefined)[]> {
  const other = split === "train" ? "heldout" : "train";
  const ids: number[] = [];
  const heldout: Uint32Array[] = split === "train" ? [] : rows.map(({ words }) => words);
  if (split === "train")
    for await (const { id, text } of acceptedTexts(stored, datanetId, other)) {
      ids.push(id);
      heldout.push(wordHashesOf(text));
    }
  if (heldout.length === 0) return rows.map(() => undefined);
  const meetings = createMeetings(await createHeldoutGrams(heldout));
  if (split === "train") await mapSlowly(rows, ({ words }, position) => meetings.look(position, words));
  else
    for await (const { id, text } of acceptedTexts(stored, datanetId, other)) {
      if (ids.push(id) % rowsBetweenPauses === 0) await setImmediate();
      meetings.look(ids.length - 1, wordHashesOf(text));
    }
  const { ofTraining, ofHeldout } = meetings.found();
  const met = split === "train" ? ofTraining : ofHeldout;
  const references = await referencesOf(
    stored.database,
    [...met.values()].map((number) => ids[number] as number),
  );
  return rows.map((_, position) => {
    const number = met.get(position);
    const where = number === undefined ? undefined : references.get(ids[number] as number);
    if (where === undefined) return undefined;
    return {
      message: `It shares ${wordsTogether} words in a row, or all its words, with ${other === "train" ? "training" : "held-out"} ${nameOf(where)}: what is to be measured would be trained on.`,
      details: { ...where, split: other },
    };
  });
}

function verdictOf(
  findings: ReadonlyMap<Check["name"], readonly (Finding | undefined)[]>,
  refusing: ReadonlySet<string>,
  row: number,
): Verdict {
  const reasons = checkNames.flatMap((check): Reason[] => {
    const finding = findings.get(check)?.[row];
    if (finding === undefined) return [];
    const { message, details, mayRefuse } = finding;
    const severity = refusing.has(check) && mayRefuse !== false ? "refusal" : "note";
    return [{ check, severity, message, ...(details && { details }) }];
  });
  const refusals = reasons.filter(({ severity }) => severity === "refusal").map(({ check }) => check);
  if (refusals.length === 0) return { status: "accepted", reasons };
  if (refusals.includes("duplicate")) return { status: "duplicate", reasons };
  return {
    status: refusals.every((check) => check === "near-duplicate") ? "near-duplicate" : "refused",
    reasons,
  };
}
