import { useQueries } from "@tanstack/react-query";
import { useMemo } from "react";
import { receiptQuery } from "../../api/live.ts";
import type { Schema } from "../../api/types.ts";
import { Flow, type FlowLink, type FlowNode } from "../../components/flow.tsx";
import { Empty } from "../../components/states.tsx";
import { money, short } from "../../lib/format.ts";
import { roleOf } from "../../receipt/roles.ts";

/** So many answers are in the picture. */
const shown = 12;

type View = Schema<"Receipt">;

/** The newest answers' fees as they flow: answer → data, operator, developer, stakers, treasury → each contributor. */
export function Pulse({ receipts }: { receipts: Schema<"ListedReceipt">[] }) {
  const views = useQueries({
    queries: receipts.slice(0, shown).map(({ receiptId }) => receiptQuery(receiptId)),
  });
  const loaded = views.flatMap(({ data }) => (data ? [data] : []));
  const key = loaded.map(({ receiptId }) => receiptId).join();
  // biome-ignore lint/correctness/useExhaustiveDependencies: a receipt never changes what it pays
  const { nodes, links } = useMemo(() => flowOf(loaded), [key]);
  if (receipts.length === 0)
    return (
      <Empty title="Nothing flows yet">The first paid answer draws itself here, with everyone it pays.</Empty>
    );
  return (
    <Flow
      name="Fees of the newest answers"
      label="The newest answers' fees, and whom they paid"
      nodes={nodes}
      links={links}
      height={340}
    />
  );
}

function flowOf(views: readonly View[]): { nodes: FlowNode[]; links: FlowLink[] } {
  const nodes = new Map<string, FlowNode>([["data", { id: "data", label: "contributors" }]]);
  const sums = new Map<string, FlowLink>();
  const add = (source: string, target: string, wei: bigint, title: string) => {
    const key = `${source}→${target}`;
    const link = sums.get(key) ?? { source, target, value: 0, title };
    sums.set(key, { ...link, value: link.value + Number(wei) });
  };
  for (const view of views) {
    const answer = `answer ${view.receiptId}`;
    nodes.set(answer, { id: answer, label: short(view.receiptId), colour: "var(--quiet)" });
    for (const { payee, amount } of view.bundle.payments) {
      const role = roleOf(payee, view.bundle);
      const wei = BigInt(amount);
      const said = `${money(wei).amount} ${money(wei).unit}`;
      if (role !== "contributor") {
        nodes.set(role, { id: role, label: role });
        add(answer, role, wei, `${said} to the ${role}`);
      } else {
        nodes.set(payee, { id: payee, label: short(payee), title: payee, colour: "var(--good)" });
        add(answer, "data", wei, `${said} to contributors`);
        add("data", payee, wei, `to contributor ${payee}`);
      }
    }
  }
  return { nodes: [...nodes.values()], links: [...sums.values()] };
}
