/** A version's dataset card: Markdown with the front matter that model hubs read (huggingface.co/docs/hub/datasets-cards). */
import { stringify } from "yaml";
import { findLicense } from "../licenses.ts";
import type { Described } from "./described.ts";

/** The hub's classes of size, by the most rows that each holds. */
const sizes: readonly [number, string][] = [
  [1e3, "n<1K"],
  [1e4, "1K<n<10K"],
  [1e5, "10K<n<100K"],
  [1e6, "100K<n<1M"],
];

/** A cell of a table: a name is somebody's text, and must not end the cell or the line. */
const cell = (text: string) => text.replace(/\s+/g, " ").replace(/[\\|`*_<>[\]#]/g, "\\$&");

/** @param files names of the files beside it that hold the rows */
export function datasetCard(
  { datanet, summary, manifest, withdrawn }: Described,
  files: readonly string[],
): string {
  const { commercialUse, shareAlike } = findLicense(manifest.license);
  const count = summary.count + summary.heldoutCount;
  const rowsOf = new Map<string, number>();
  for (const { contribution } of manifest.rows) {
    const contributor = manifest.contributions[contribution]?.contributor ?? "";
    rowsOf.set(contributor, (rowsOf.get(contributor) ?? 0) + 1);
  }
  const front = stringify({
    license: manifest.license.toLowerCase(),
    pretty_name: datanet.name,
    tags: [datanet.domain, "openledger"],
    size_categories: [sizes.find(([most]) => count < most)?.[1] ?? "1M<n<10M"],
    configs: [{ config_name: "default", data_files: files[0] }],
  });
  const terms = [
    commercialUse ? "commercial use is permitted" : "no commercial use",
    ...(shareAlike ? ["what is made of it carries the same licence"] : []),
  ];
  return [
    `---\n${front}---`,
    `# ${cell(datanet.name)}, version ${summary.version}`,
    datanet.description === "" ? "" : cell(datanet.description),
    "| | |",
    "|---|---|",
    `| Datanet | ${datanet.datanetId} on chain ${manifest.chainId} |`,
    `| Domain | ${cell(datanet.domain)} |`,
    `| Licence | ${manifest.license}: ${terms.join("; ")} |`,
    `| Rows to train on | ${summary.count} |`,
    `| Rows held out, never trained on | ${summary.heldoutCount} |`,
    `| Merkle root of the rows | \`${manifest.root}\` |`,
    `| Digest of the manifest | \`${summary.manifestDigest}\` |`,
    `| Published | ${new Date(summary.recordedAtMs).toISOString()} |`,
    ...(withdrawn.length === 0
      ? []
      : [`| Taken back since | ${withdrawn.length} rows, which later versions do not hold |`]),
    "",
    "## Contributors",
    "| Address | Rows to train on |",
    "|---|---|",
    ...[...rowsOf].sort((a, b) => b[1] - a[1]).map(([address, rows]) => `| \`${address}\` | ${rows} |`),
    "",
    `Files: ${files.join(", ")}. Each row names its contributor and the consent that it was given under.`,
  ]
    .filter((line, i, all) => line !== "" || all[i - 1] !== "")
    .join("\n")
    .concat("\n");
}
