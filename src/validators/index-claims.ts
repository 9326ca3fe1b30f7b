/** What a release says of its index, opened and held against its data as far as that takes no computing: whose rows, which rows, what is left out. */
import {
  type Basis,
  decodeBasis,
  defaultPayIndexOptions,
  indexMethod,
  type PublishedIndex,
} from "../attribution/index.ts";
import type { VersionContent } from "../datanets/index.ts";
import { type Adapter, type Checkpoint, parseSafetensors, readPeft } from "../engine/index.ts";
import { type Recipe, type Registered, recipeOf, rowsOf } from "../modelfactory/index.ts";
import {
  type Address,
  addressSchema,
  bytesDigest,
  type Check,
  decodeRow,
  type IndexRow,
  indexTree,
  type Manifest,
  sameHex,
} from "../protocol/index.ts";
import type { ExplainBlob } from "./explain-blob.ts";
import type { SourcedRelease } from "./node-source.ts";

/** What is checked of an index, in the order in which it is reported. */
export type IndexCheckName =
  /** The base model here is the one that the manifest names. */
  | "base"
  /** Adapter and basis are those that the manifest names, and of this base. */
  | "files"
  /** The rows give the root that the manifest commits to. */
  | "root"
  /** The chain knows the release by this base, adapter, index and data, and this c. */
  | "registry"
  /** The Datanet versions are those that the manifest names. */
  | "data"
  /** Their manifests, which alone name held-out rows, are those on chain. */
  | "held-out"
  /** Damping, samples, null rows and recipe are such as this program makes indexes by. */
  | "method"
  /** The metric is one that an optimizer could have left. */
  | "metric"
  /** There is one row for each contributor, in order of address. */
  | "contributors"
  /** The near duplicates that are left out are those found again. */
  | "clusters"
  /** Every contributor's row is the sum of its examples' rows. */
  | "rows"
  /** Every null row is made from the held-out examples drawn for it, at the length of trained ones. */
  | "null rows"
  /** The basis' directions can say every row, and add nothing to one. */
  | "directions"
  /** c is what held-out questions give. */
  | "threshold"
  /** So is the share of them that would pay somebody. */
  | "false discovery"
  /** Drawn examples' rows in the explain index are those made again one by one. */
  | "examples";

export type IndexCheck = Omit<Check, "name"> & {
  readonly name: IndexCheckName;
  /** Each thing that is not as it should be, in words; at most 32. */
  readonly found?: readonly string[];
};

/** A release and its data, from wherever they come. */
export type IndexMaterial = Pick<SourcedRelease, "manifest" | "index"> & {
  readonly files: SourcedRelease["files"] & {
    /** The near duplicates as the release lists them; without it only their digest is compared. */
    readonly clusters?: Uint8Array | undefined;
    readonly explain?: ExplainBlob | undefined;
  };
  /** The versions that the manifest names, checked against their roots; why not where one could not be had. */
  readonly versions: readonly (VersionContent | Error)[];
  /** What the chain says of it; null where none was asked. */
  readonly registered: Registered | null;
};

/** Everything that making the index again takes. */
export type OpenedClaims = {
  readonly recipe: Recipe;
  readonly adapter: Adapter;
  readonly basis: Basis;
  readonly rows: ReturnType<typeof rowsOf>;
  /** The index as it was published, in the order in which it is made again. @param expected by row, whose it must be */
  readonly published: (expected: readonly Address[], examplesPerRow: number) => PublishedIndex;
  /** λ and samples, as the manifest states them. */
  readonly damping: number;
  readonly samples: number;
};

/** More than these are refused before anything is computed. */
const most = { samples: 64, nullRows: 1_024 };

/** @returns undefined where something is missing or not as it should be, so that there is nothing to compute; the checks say what */
export function openClaims(
  base: Checkpoint,
  material: IndexMaterial,
  check: (name: IndexCheckName, expected: string, actual: string, found?: readonly string[]) => boolean,
): OpenedClaims | undefined {
  const { manifest, files, index } = material;
  const { index: told, adapter: toldAdapter } = manifest;
  const digests = `${toldAdapter.digest} and ${told.basisDigest}`;
  let opened: { adapter: Adapter; basis: Basis } | undefined;
  try {
    opened = openFiles(base, files);
  } catch (error) {
    check("files", "an adapter and a basis of this base", (error as Error).message);
  }
  const areFiles =
    opened !== undefined &&
    check("files", digests, `${bytesDigest(files.adapter)} and ${bytesDigest(files.basis)}`);
  const isRoot = check("root", told.root, rootOf(told, index));
  if (material.registered !== null)
    check("registry", material.registered.expected, material.registered.actual);
  const rows = openData(material, check);
  const recipe = openMethod(manifest, check);
  if (opened === undefined || !areFiles || !isRoot || rows === undefined || recipe === undefined)
    return undefined;
  checkMetric(opened.basis.metric, check);
  const { adapter, basis } = opened;
  if (basis.k !== told.k) {
    check("files", `a basis of ${told.k} directions`, `${basis.k}`);
    return undefined;
  }
  return {
    ...{ recipe, adapter, basis, rows },
    published: (expected, examplesPerRow) => {
      check("contributors", `rows of ${examplesPerRow} examples`, `rows of ${told.examplesPerRow} examples`);
      return { basis, scale: Number(told.scale), rows: claimedRows(manifest, index, expected, check) };
    },
    damping: Number(told.lambda),
    samples: told.samples,
  };
}

function openFiles(base: Checkpoint, files: IndexMaterial["files"]) {
  const config: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(files.adapterConfig));
  const adapter = readPeft(
    config,
    parseSafetensors(files.adapter, "of the release"),
    base.config,
    "of the release",
  );
  return { adapter, basis: decodeBasis(files.basis) };
}

function rootOf({ contributors, nullRows, k }: Manifest["index"], index: readonly IndexRow[]): string {
  if (index.length !== contributors + nullRows || index.some(({ bytes }) => bytes.length !== 2 * k))
    return `none: there are ${index.length} rows, not ${contributors} + ${nullRows} of ${2 * k} bytes`;
  try {
    return indexTree(index).root;
  } catch (error) {
    return `none: ${(error as Error).message}`;
  }
}

type CheckOf = Parameters<typeof openClaims>[2];

/** The rows that training saw, from the versions that the manifest names. */
function openData(
  { manifest, versions, registered }: IndexMaterial,
  check: CheckOf,
): ReturnType<typeof rowsOf> | undefined {
  const faults: string[] = [];
  const contents: VersionContent[] = [];
  for (const [i, told] of manifest.datanets.entries()) {
    const name = `version ${told.version} of Datanet ${told.datanetId}`;
    const content = versions[i];
    if (content === undefined || content instanceof Error) {
      faults.push(`${name}: ${content?.message ?? "it is not here"}`);
      continue;
    }
    const { datanetId, root, count, license, consentsRoot } = content.manifest;
    const differs = (
      [
        ["Datanet", told.datanetId, datanetId],
        ["root", told.root, root],
        ["rows", told.count, count],
        ["licence", told.license, license],
        ["root of consents", told.consentsRoot, consentsRoot],
      ] as const
    ).find(([, expected, actual]) => expected !== actual);
    if (differs) faults.push(`${name}: its ${differs[0]} should be ${differs[1]}, and is ${differs[2]}`);
    contents.push(content);
  }
  const exclude = addressSchema.array().safeParse(manifest.recipe.exclude ?? []);
  if (!exclude.success) faults.push("the recipe's list of excluded contributors is none");
  let rows: ReturnType<typeof rowsOf> | undefined;
  if (faults.length === 0)
    try {
      rows = rowsOf(contents, exclude.data ?? []);
    } catch (error) {
      faults.push((error as Error).message);
    }
  for (const [i, told] of manifest.datanets.entries())
    if (rows !== undefined && rows.acceptedExamples[i] !== told.acceptedExamples)
      faults.push(
        `version ${told.version} of Datanet ${told.datanetId}: ${told.acceptedExamples} rows should have been trained on, there are ${rows.acceptedExamples[i]}`,
      );
  const named = manifest.datanets.map(({ root }) => root).join(", ");
  check("data", named, faults.length === 0 ? named : "others", faults);
  // Of a release that the chain does not know, it vouches for nothing; that is said by itself.
  if (registered?.versions.length && contents.length === manifest.datanets.length)
    check(
      "held-out",
      registered.versions.join(", "),
      contents.map(({ manifestDigest }) => manifestDigest).join(", "),
    );
  return faults.length === 0 ? rows : undefined;
}

/** The recipe, where the index was made by what this program makes indexes by. */
function openMethod(manifest: Manifest, check: CheckOf): Recipe | undefined {
  const { method, lambda, samples, nullRows } = manifest.index;
  const faults: string[] = [];
  if (method !== indexMethod) faults.push(`the method "${method}" is not known here`);
  if (!(Number(lambda) > 0 && Number(lambda) <= 10)) faults.push(`λ is ${lambda}`);
  if (samples > most.samples) faults.push(`${samples} samples of each example are more than ${most.samples}`);
  if (nullRows > most.nullRows) faults.push(`${nullRows} null rows are more than ${most.nullRows}`);
  if (nullRows < defaultPayIndexOptions.nullRows)
    faults.push(`there are ${nullRows} null rows, ${defaultPayIndexOptions.nullRows} are needed`);
  let recipe: Recipe | undefined;
  try {
    recipe = recipeOf(manifest);
  } catch {
    faults.push("the recipe is none of this program's");
  }
  const expected = `${indexMethod}, ${defaultPayIndexOptions.nullRows} null rows or more`;
  check("method", expected, faults.length === 0 ? expected : "not so", faults);
  const canBeMade = method === indexMethod && samples <= most.samples && nullRows <= most.nullRows;
  return canBeMade && Number(lambda) > 0 && Number(lambda) <= 10 ? recipe : undefined;
}

/**
 * D = √v̂ + 0.1 · mean(√v̂), so no number of D is below a tenth of the mean of √v̂, which is mean(D) / 1.1. That the moments themselves are the
 * training's is shown by training again.
 */
function checkMetric(metric: Float32Array, check: CheckOf): void {
  const scale = Float64Array.from(metric, (x) => 1 / x ** 2);
  const least = scale.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const mean = scale.reduce((a, b) => a + b, 0) / scale.length;
  const holds = metric.every((x) => x > 0 && Number.isFinite(x)) && least >= (0.1 / 1.1) * mean * (1 - 1e-3);
  const expected = "no number of D below 1/11 of their mean";
  check("metric", expected, holds ? expected : `one of ${(least / mean).toFixed(4)} of it`);
}

/** Rows in the order in which they are made again: of whom the data names, then null rows; zeros where the index has none. */
function claimedRows(
  { index: { contributors, nullRows, k } }: Manifest,
  index: readonly IndexRow[],
  expected: readonly Address[],
  check: CheckOf,
): Int16Array[] {
  const own = index.slice(0, contributors);
  const faults: string[] = [];
  const taken = new Set<IndexRow>();
  const claimed = expected.map((address) => {
    const found = own.find((row) => !taken.has(row) && sameHex(row.payee, address));
    if (found === undefined) faults.push(`${address} has examples and lacks a row`);
    else taken.add(found);
    return found;
  });
  for (const row of own)
    if (!taken.has(row)) faults.push(`row ${row.row} is that of ${row.payee}, who has no example for it`);
  for (const [at, row] of claimed.entries())
    if (row !== undefined && faults.length === 0 && row.row !== at)
      faults.push(`row ${at} should be that of ${expected[at]}, and is that of ${own[at]?.payee}`);
  const list = (addresses: readonly Address[]) => addresses.join(", ").slice(0, 400);
  check(
    "contributors",
    list(expected),
    faults.length === 0 ? list(expected) : list(own.map(({ payee }) => payee)),
    faults,
  );
  const rowOf = (row: IndexRow | undefined) =>
    row === undefined ? new Int16Array(k) : Int16Array.from(decodeRow(row.bytes));
  return [
    ...claimed.map(rowOf),
    ...Array.from({ length: nullRows }, (_, n) => rowOf(index[contributors + n])),
  ];
}
