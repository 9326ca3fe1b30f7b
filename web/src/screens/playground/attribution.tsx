import { useQuery } from "@tanstack/react-query";
import type { ReceiptEvidence } from "../../../../client/src/index.ts";
import { examplesQuery } from "../../api/answers.ts";
import { receiptQuery } from "../../api/live.ts";
import { releaseQuery } from "../../api/models.ts";
import type { Schema } from "../../api/types.ts";
import { Amount } from "../../components/amount.tsx";
import { ReceiptLink } from "../../components/hash.tsx";
import { Loaded } from "../../components/states.tsx";
import { Card } from "../../components/ui/card.tsx";
import { CalibrationNote } from "../../receipt/calibration.tsx";
import { Checked } from "../../receipt/checked.tsx";
import { Examples } from "../../receipt/examples.tsx";
import { Influence } from "../../receipt/influence.tsx";
import { Settlement } from "../../receipt/settlement.tsx";
import { Split } from "../../receipt/split.tsx";

type Props = {
  receiptId: string;
  secret: string;
  /** Of a whole answer; one that was stopped was not read to its end. */
  evidence?: ReceiptEvidence;
};

/** Where an answer came from and who is paid for it, as it settles. */
export function Attribution({ receiptId, secret, evidence }: Props) {
  const receipt = useQuery(receiptQuery(receiptId));
  const examples = useQuery(examplesQuery(receiptId, secret));
  return (
    <Loaded query={receipt} rows={6}>
      {(view) => (
        <div className="flex flex-col gap-4">
          <Settlement view={view} />
          <div className="grid items-start gap-4 2xl:grid-cols-2">
            <Card heading="Whose data it came from">
              <div className="flex flex-col gap-4">
                <Payees view={view} />
                <CalibrationNote calibration={view.calibration} />
              </div>
            </Card>
            <Card
              heading="Who is paid"
              action={
                <span className="text-sm">
                  of <Amount wei={view.feeWei} />
                </span>
              }
            >
              <Split view={view} />
            </Card>
            <Card heading="The examples themselves" className="2xl:col-span-2">
              <Loaded query={examples} rows={4}>
                {(found) => <Examples examples={found} />}
              </Loaded>
            </Card>
          </div>
          <Card heading="Do not take the node's word" action={<ReceiptLink value={view.receiptId} />}>
            <p className="text-sm text-quiet">
              Scores, the threshold against chance, the division of the fee and the signature can be computed
              again here, from what the receipt commits to.
            </p>
            <Checked view={view} {...(evidence === undefined ? {} : { evidence })} />
          </Card>
        </div>
      )}
    </Loaded>
  );
}

function Payees({ view }: { view: Schema<"Receipt"> }) {
  const release = useQuery(releaseQuery(view.releaseId));
  return (
    <Loaded query={release} rows={3}>
      {({ contributors }) => <Influence scores={view.scores} payees={contributors} />}
    </Loaded>
  );
}
