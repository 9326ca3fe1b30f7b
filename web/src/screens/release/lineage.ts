import type { Schema } from "../../api/types.ts";
import type { FlowLink, FlowNode } from "../../components/flow.tsx";
import { count, short } from "../../lib/format.ts";

type Release = Pick<Schema<"Release">, "id" | "model" | "manifest" | "contributors">;

/** Contributors by name in the picture; the others are one. */
const namedMax = 8;

/** How many rows of the pay index stand for each contributor, most first. */
export function rowsByContributor(contributors: readonly string[]): { contributor: string; rows: number }[] {
  const rows = new Map<string, number>();
  for (const payee of contributors) rows.set(payee, (rows.get(payee) ?? 0) + 1);
  return [...rows].map(([contributor, rows]) => ({ contributor, rows })).sort((a, b) => b.rows - a.rows);
}

/**
 * Where a release came from, from left to right: contributors → Datanet versions → examples → adapter → release → what is asked. Bands are
 * examples; a contributor's are told from its rows of the pay index, of which each stands for about as many, and only where one Datanet
 * leaves no doubt whose they are.
 */
export function lineageOf({ id, model, manifest, contributors }: Release): {
  nodes: FlowNode[];
  links: FlowLink[];
} {
  const { datanets, adapter, base } = manifest;
  const total = datanets.reduce((sum, { acceptedExamples }) => sum + acceptedExamples, 0);
  const nodes: FlowNode[] = [];
  const links: FlowLink[] = [];
  const [only] = datanets;
  if (datanets.length === 1 && only) {
    const all = rowsByContributor(contributors);
    const share = (rows: number) => (total * rows) / Math.max(1, contributors.length);
    const target = `${only.datanetId}@${only.version}`;
    for (const { contributor, rows } of all.slice(0, namedMax)) {
      nodes.push({ id: contributor, label: short(contributor), title: contributor });
      links.push({
        ...{ source: contributor, target, value: share(rows) },
        title: `${contributor}: about ${count(Math.round(share(rows)))} examples`,
      });
    }
    const rest = all.slice(namedMax).reduce((sum, { rows }) => sum + rows, 0);
    if (rest > 0) {
      nodes.push({ id: "others", label: `${all.length - namedMax} others` });
      links.push({
        ...{ source: "others", target, value: share(rest) },
        title: `${all.length - namedMax} others: about ${count(Math.round(share(rest)))} examples`,
      });
    }
  }
  for (const { datanetId, version, acceptedExamples, license } of datanets) {
    nodes.push({
      id: `${datanetId}@${version}`,
      label: `Datanet ${datanetId}, v${version}`,
      title: `Datanet ${datanetId}, version ${version}, ${license}`,
    });
    links.push({
      ...{ source: `${datanetId}@${version}`, target: "examples", value: acceptedExamples },
      title: `${count(acceptedExamples)} examples of Datanet ${datanetId}`,
    });
  }
  nodes.push(
    { id: "examples", label: `${count(total)} examples` },
    { id: "adapter", label: `Adapter, rank ${adapter.rank}`, title: `${adapter.digest} over ${base.name}` },
    { id: "release", label: `Release ${short(id)}`, title: id },
    { id: "model", label: model, title: `Asked for as "${model}"` },
  );
  const chain = ["examples", "adapter", "release", "model"] as const;
  const said = ["The recipe trains", "The manifest pins", "The name serves"];
  said.forEach((title, at) => {
    links.push({ source: chain[at] as string, target: chain[at + 1] as string, value: total, title });
  });
  return { nodes, links };
}
