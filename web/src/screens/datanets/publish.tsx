import { useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { queries } from "../../api/queries.ts";
import { postTold, type Told } from "../../api/told.ts";
import type { Schema } from "../../api/types.ts";
import { Amount } from "../../components/amount.tsx";
import { Hash, Transaction } from "../../components/hash.tsx";
import { Facts } from "../../components/page.tsx";
import { Failure, Loaded } from "../../components/states.tsx";
import { Button } from "../../components/ui/button.tsx";
import { Card } from "../../components/ui/card.tsx";
import { Progress } from "../../components/ui/progress.tsx";
import { count, counted } from "../../lib/format.ts";
import { passHeaders } from "./pass.ts";
import { nextVersionQuery } from "./queries.ts";

const stages: Record<string, string> = {
  gathering: "Gathering what is accepted, and hashing it",
  storing: "Storing the manifest",
  publishing: "Writing the root on chain",
};

/** The next version: what it would hold and cost, and publishing it: for the operator, and for curators with their pass. */
export function Publish({ datanetId, pass }: { datanetId: string; pass?: string | undefined }) {
  const next = useQuery(nextVersionQuery(datanetId, pass));
  const [told, setTold] = useState<Told>();
  const publishing = useMutation({
    mutationFn: () =>
      postTold<Schema<"DatanetVersion">>(
        `/v1/datanets/${datanetId}/versions`,
        setTold,
        passHeaders(pass),
      ).finally(() => setTold(undefined)),
    onSuccess: () => queries.invalidateQueries(),
  });
  return (
    <Card
      heading="Publish a version"
      note="What is accepted becomes a version that never changes: its root is written on chain, and every row proves that it is under it."
    >
      <div className="flex flex-col gap-4">
        {publishing.data && <Published version={publishing.data} />}
        <Loaded query={next} rows={5}>
          {(found) =>
            found.cost === null ? (
              <p className="text-sm text-quiet">
                {found.count === 0
                  ? "No training row is accepted yet: contribute some, or accept those that wait."
                  : `Nothing has changed since version ${found.version - 1}: it holds all that is accepted.`}
                {found.pending > 0 && ` ${count(found.pending)} rows wait for curators.`}
              </p>
            ) : (
              <>
                <Contents next={found} cost={found.cost} />
                <Button
                  variant="primary"
                  className="self-start"
                  disabled={publishing.isPending}
                  onClick={() => publishing.mutate()}
                >
                  Publish version {found.version}
                </Button>
              </>
            )
          }
        </Loaded>
        {publishing.isPending && (
          <Progress
            label={told ? (stages[told.stage] ?? told.stage) : "Asking the node"}
            done={told?.done ?? 0}
            total={told?.of ?? 1}
          />
        )}
        {publishing.error && <Failure error={publishing.error} />}
      </div>
    </Card>
  );
}

function Contents({
  next,
  cost,
}: {
  next: Schema<"NextVersion">;
  cost: NonNullable<Schema<"NextVersion">["cost"]>;
}) {
  return (
    <Facts
      facts={[
        ["Version", next.version],
        ["Rows", `${count(next.count)} to train on, ${count(next.heldoutCount)} held out`],
        [
          next.version === 1 ? "New" : `Against version ${next.version - 1}`,
          next.version === 1
            ? counted(next.added, "row")
            : `${count(next.added)} more, ${count(next.removed)} gone`,
        ],
        ["Contributors", count(next.contributors)],
        ["Licence", next.license],
        ...(next.pending > 0
          ? ([
              [
                "Left out",
                `${counted(next.pending, "row")} that ${next.pending === 1 ? "waits" : "wait"} for curators`,
              ],
            ] as const)
          : []),
        [
          "Costs about",
          <span key="cost">
            <Amount wei={cost.feeWei} />{" "}
            <span className="text-quiet">({count(cost.gas)} gas, by the node's account)</span>
          </span>,
        ],
      ]}
    />
  );
}

function Published({ version }: { version: Schema<"DatanetVersion"> }) {
  return (
    <div role="status" className="flex flex-col gap-3 rounded-lg border border-good/40 p-3 text-sm">
      <p>
        Version {version.version} is published: {count(version.count)} rows, {count(version.heldoutCount)}{" "}
        held out.
      </p>
      <Facts
        facts={[
          ["Root", <Hash key="root" value={version.root} />],
          [
            "Transaction",
            version.transactionHash ? (
              <Transaction key="transaction" value={version.transactionHash} />
            ) : (
              "found on chain"
            ),
          ],
        ]}
      />
      <Button size="small" className="self-start" asChild>
        <Link to="/factory/new">Train a model on it</Link>
      </Button>
    </div>
  );
}
