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

/** A person types faster than a machine estimates, milliseconds. */
const restMs = 600;

/** What a draft would take on this machine, asked again whenever it rests. */
export function EstimateCard({ draft }: { draft: Draft }) {
  const may = useIsOperator();
  const lacks = missing(draft);
  const [asked, setAsked] = useState(draft);
  useEffect(() => {
    const timer = setTimeout(() => setAsked(draft), restMs);
    return () => clearTimeout(timer);
  }, [draft]);
  const estimate = useQuery({
    queryKey: ["estimate", jobOf(asked)],
    queryFn: ({ signal }) => ask(api.POST("/v1/fine-tunes/estimate", { body: jobOf(asked), signal })),
    enabled: may && missing(asked) === undefined,
    staleTime: 60_000,
  });
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
                    ["The model's name", <Amount key="cost" wei={found.costWei} />],
                    ["The operator asks", <Amount key="price" wei={found.priceWei} />],
                  ]}
                />
                {found.problems.map((problem) => (
                  <p key={problem} role="alert" className="rounded-md bg-wait-soft p-3 text-sm text-wait">
                    {problem}
                  </p>
                ))}
              </div>
            )}
          </Loaded>
        )}
      </div>
    </Card>
  );
}
