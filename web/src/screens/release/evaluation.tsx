import type { Schema } from "../../api/types.ts";
import { Badge } from "../../components/ui/badge.tsx";
import { Table } from "../../components/ui/table.tsx";
import { count, counted, figure, percent } from "../../lib/format.ts";

type Report = Schema<"EvaluationReport">;
type Estimate = Report["heldOut"]["loss"]["base"];
type Row = {
  measure: string;
  what: string;
  base: Estimate;
  tuned: Estimate;
  difference: Estimate | undefined;
  /** Whether less is better. */
  less: boolean;
  share: boolean;
};

function rowsOf({ heldOut, answers, regression }: Report): Row[] {
  const rows: Row[] = [
    {
      measure: "Loss",
      what: `nats per token, ${counted(heldOut.rows, "row")}`,
      ...heldOut.loss,
      ...{ less: true, share: false },
    },
    {
      measure: "Perplexity",
      what: "e to the loss",
      ...heldOut.perplexity,
      ...{ difference: undefined, less: true, share: false },
    },
    { measure: "Exact rows", what: "every token right", ...heldOut.exact, less: false, share: true },
  ];
  if (answers)
    rows.push({
      measure: "ROUGE-L",
      what: `${count(answers.rows)} answers as written, against what the rows say`,
      ...answers.rougeL,
      ...{ less: false, share: true },
    });
  if (regression)
    rows.push({
      measure: "General prompts",
      what: `loss in nats per token on ${count(regression.prompts)} prompts that have nothing to do with the data: a higher one means that it forgot`,
      ...regression.loss,
      ...{ less: true, share: false },
    });
  return rows;
}

const written = (millionths: number, share: boolean) =>
  share ? percent(millionths / 1e6) : figure(millionths / 1e6);

function Interval({ of: { mean, lo, hi }, share }: { of: Estimate; share: boolean }) {
  return (
    <>
      {written(mean, share)}
      <span className="block text-xs text-quiet">
        {written(lo, share)} to {written(hi, share)}
      </span>
    </>
  );
}

function Verdict({ difference, less }: Pick<Row, "difference" | "less">) {
  if (difference === undefined) return "–";
  if (difference.lo <= 0 && difference.hi >= 0) return <Badge tone="quiet">no difference told</Badge>;
  return difference.mean < 0 === less ? <Badge tone="good">better</Badge> : <Badge tone="bad">worse</Badge>;
}

/** Base against tuned, with 95 % intervals over rows. */
export function Evaluation({ report }: { report: Report }) {
  return (
    <Table
      caption="Base against tuned"
      stack
      rows={rowsOf(report)}
      keyOf={({ measure }) => measure}
      columns={[
        {
          heading: "Measure",
          cell: ({ measure, what }) => (
            <>
              <span className="font-medium">{measure}</span>
              <span className="block text-xs text-quiet">{what}</span>
            </>
          ),
        },
        { heading: "Base", numeric: true, cell: ({ base, share }) => <Interval of={base} share={share} /> },
        {
          heading: "Tuned",
          numeric: true,
          cell: ({ tuned, share }) => <Interval of={tuned} share={share} />,
        },
        { heading: "Tuned is", cell: Verdict },
      ]}
    />
  );
}
