import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { api, ask } from "../../api/client.ts";
import { Amount } from "../../components/amount.tsx";
import { Facts } from "../../components/page.tsx";
import { Loaded } from "../../components/states.tsx";
import { Card } from "../../components/ui/card.tsx";
import { bytes, count, duration } from "../../lib/format.ts";
import { useIsOperator } from "../../wallet/session.ts";
import { type Draft, jobOf, missing } from "./draft.ts";
import { EscrowTerms } from "./payment.tsx";
import { Warnings } from "./warnings.tsx";

/** A person types faster than a machine estimates, milliseconds. */
const restMs = 600;

/** What a draft would take on this machine, asked again whenever it rests. Undefined data also while the draft is not whole. */
export function useEstimate(draft: Draft) {
  const may = useIsOperator();
  const [asked, setAsked] = useState(draft);
  useEffect(() => {
    const timer = setTimeout(() => setAsked(draft), restMs);
    return () => clearTimeout(timer);
  }, [draft]);
  return useQuery({
    queryKey: ["estimate", jobOf(asked)],
    queryFn: ({ signal }) => ask(api.POST("/v1/fine-tunes/estimate", { body: jobOf(asked), signal })),
    enabled: may && missing(asked) === undefined,
    staleTime: 60_000,
  });
}

type Props = { draft: Draft; estimate: ReturnType<typeof useEstimate> };

/** What a run would take: time, memory, money. */
export function EstimateCard({ draft, estimate }: Props) {
  const may = useIsOperator();
  const lacks = missing(draft);
  return (
    <Card heading="What it takes" note="By this machine's speeds, measured once on rows like these.">
      <div className="min-h-64" aria-live="polite">
        {lacks !== undefined ? (
          <p className="text-sm text-quiet">{lacks}</p>
        ) : !may ? (
          <p className="text-sm text-quiet">Sign in as the operator to have it estimated.</p>
        ) : (
          <Loaded query={estimate} rows={6}>
            {(found) => (
              <div className="flex flex-col gap-4">
                <p className="text-lg font-semibold">
                  {duration(1000 * found.seconds.total)}{" "}
                  <span className="text-sm font-normal text-quiet">in all</span>
                </p>
                <Facts
                  facts={[
                    [
                      "Training",
                      `${duration(1000 * found.trainingSecondsLeast)} to ${duration(1000 * found.seconds.training)}, at most ${count(found.steps)} steps`,
                    ],
                    ["Evaluation", duration(1000 * found.seconds.evaluation)],
                    ["Pay index", duration(1000 * found.seconds.index)],
                    ["Calibration", duration(1000 * found.seconds.calibration)],
                    ["Memory", bytes(found.memoryBytes)],
                    ["Temporary files", bytes(found.scratchBytes)],
                    ["Its name, which the operator pays", <Amount key="cost" wei={found.costWei} />],
                    [
                      "You pay",
                      BigInt(found.priceWei) === 0n ? "nothing" : <Amount key="price" wei={found.priceWei} />,
                    ],
                  ]}
                />
                {BigInt(found.priceWei) > 0n && <EscrowTerms publish={draft.publish} />}
                {found.problems.map((problem) => (
                  <p key={problem} role="alert" className="rounded-md bg-wait-soft p-3 text-sm text-wait">
                    {problem}
                  </p>
                ))}
                <Warnings warnings={found.warnings} />
              </div>
            )}
          </Loaded>
        )}
      </div>
    </Card>
  );
}
