import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { Schema } from "../../api/types.ts";
import { Button } from "../../components/ui/button.tsx";
import { count } from "../../lib/format.ts";
import { useIsOperator } from "../../wallet/session.ts";
import { useAddress } from "../../wallet/wallet.ts";
import { curatorsQuery, standingQuery } from "./queries.ts";

type Props = { datanet: Schema<"Datanet">; newest: Schema<"DatanetVersion"> | undefined };

/** What is accepted and in no version yet: where it is published, to who may; to others, what becomes of it. */
export function Unpublished({ datanet, newest }: Props) {
  const { datanetId, owner, trainRows, heldoutRows } = datanet;
  const operator = useIsOperator();
  const address = useAddress();
  const curators = useQuery({ ...curatorsQuery(datanetId), enabled: address !== undefined && !operator });
  const standing = useQuery(standingQuery(datanetId));
  const published = newest === undefined ? 0 : newest.count + newest.heldoutCount;
  const waits = trainRows + heldoutRows - published;
  if (waits <= 0) return null;
  const curates =
    address === owner || curators.data?.curators.some(({ curator }) => curator === address) === true;
  // Curators publish where they judge.
  const reviewed = standing.data !== undefined && standing.data.overlap !== null;
  const version = (newest?.version ?? 0) + 1;
  return (
    <div className="mb-3 flex flex-wrap items-center gap-3 text-sm">
      <p>
        {waits === 1 ? "1 accepted row is" : `${count(waits)} accepted rows are`} in no version yet.{" "}
        {!operator &&
          `The operator or a curator publishes ${waits === 1 ? "it" : "them"} as version ${version}; only then can a model be trained on ${waits === 1 ? "it" : "them"}.`}
      </p>
      {operator ? (
        <Button variant="primary" size="small" asChild>
          <Link to="/datanets/$id" params={{ id: datanetId }} search={{ tab: "settings" } as never}>
            Publish version {version}
          </Link>
        </Button>
      ) : (
        curates &&
        reviewed && (
          <Button variant="primary" size="small" asChild>
            <Link to="/datanets/$id/review" params={{ id: datanetId }}>
              To the review, where you publish it
            </Link>
          </Button>
        )
      )}
    </div>
  );
}
