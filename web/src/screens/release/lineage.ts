import type { Schema } from "../../api/types.ts";
import type { FlowLink, FlowNode } from "../../components/flow.tsx";
import { count, counted, short } from "../../lib/format.ts";

type Release = Pick<Schema<"Release">, "id" | "model" | "manifest">;
type Given = Schema<"ReleaseContributors">["contributors"];

/** Contributors by name in the picture; the others are one. */
const namedMax = 8;

/** How many rows of the pay index stand for each contributor. @param payees of each row, by row */
export function rowsByContributor(payees: readonly string[]): Map<string, number> {
  const rows = new Map<string, number>();
  for (const payee of payees) rows.set(payee, (rows.get(payee) ?? 0) + 1);
  return rows;
}

/**
 * Where a release came from, from left to right: contributors → Datanet versions → adapter → release → what is asked. Bands are
 * examples. Of several Datanets nobody tells whose examples are in which: there, all contributors' flow together first.
 *
 * @param given whose examples it was trained on, most first
 */
export function lineageOf(
  { id, model, manifest }: Release,
  given: Given,
): {
  nodes: FlowNode[];
  links: FlowLink[];
} {
  const { datanets, adapter, base } = manifest;
  const total = datanets.reduce((sum, { acceptedExamples }) => sum + acceptedExamples, 0);
  const nodes: FlowNode[] = [];
  const links: FlowLink[] = [];
  const [only] = datanets;
  const target = datanets.length === 1 && only ? `${only.datanetId}@${only.version}` : "examples";
  for (const { contributor, examples } of given.slice(0, namedMax)) {
    nodes.push({ id: contributor, label: short(contributor), title: contributor });
    links.push({
      ...{ source: contributor, target, value: examples },
      title: `${contributor}: ${examplesOf(examples)}`,
    });
  }
  const rest = given.slice(namedMax);
  if (rest.length > 0) {
    const [who, examples] = [
      rest.length === 1 ? "1 other" : `${count(rest.length)} others`,
      rest.reduce((sum, { examples }) => sum + examples, 0),
    ];
    nodes.push({ id: "others", label: who });
    links.push({ source: "others", target, value: examples, title: `${who}: ${examplesOf(examples)}` });
  }
  if (target === "examples") {
    nodes.push({ id: target, label: examplesOf(total), title: "All contributors' examples" });
    for (const { datanetId, version, acceptedExamples } of datanets)
      links.push({
        ...{ source: target, target: `${datanetId}@${version}`, value: acceptedExamples },
        title: `Datanet ${datanetId}, version ${version}, holds ${examplesOf(acceptedExamples)}`,
      });
  }
  for (const { datanetId, version, acceptedExamples, license } of datanets) {
    nodes.push({
      id: `${datanetId}@${version}`,
      label: `Datanet ${datanetId}: ${counted(acceptedExamples, "row")}`,
      title: `Datanet ${datanetId}, version ${version}, ${license}`,
    });
    links.push({
      ...{ source: `${datanetId}@${version}`, target: "adapter", value: acceptedExamples },
      title: `The recipe trains on ${count(acceptedExamples)} rows of Datanet ${datanetId}`,
    });
  }
  nodes.push(
    { id: "adapter", label: `Adapter, rank ${adapter.rank}`, title: `${adapter.digest} over ${base.name}` },
    { id: "release", label: "Release", title: id },
    { id: "model", label: model, title: `Asked for as "${model}"` },
  );
  links.push(
    { source: "adapter", target: "release", value: total, title: "The manifest pins the adapter" },
    { source: "release", target: "model", value: total, title: "The name serves the release" },
  );
  return { nodes, links };
}

const examplesOf = (examples: number) => `${count(examples)} ${examples === 1 ? "example" : "examples"}`;
