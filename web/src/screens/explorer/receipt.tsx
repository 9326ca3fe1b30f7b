import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { receiptQuery } from "../../api/live.ts";
import { Amount } from "../../components/amount.tsx";
import { Hash, ReleaseLink, Transaction } from "../../components/hash.tsx";
import { Facts, Page } from "../../components/page.tsx";
import { Loaded } from "../../components/states.tsx";
import { Card } from "../../components/ui/card.tsx";
import { When } from "../../components/when.tsx";
import { count, short } from "../../lib/format.ts";
import { Checked } from "../../receipt/checked.tsx";
import { Settlement } from "../../receipt/settlement.tsx";
import { Split } from "../../receipt/split.tsx";
import { Standing } from "../../receipt/standing.tsx";
import { explorerTrail } from "./trail.ts";

/** One paid answer: what it cost, who is paid why, and how far its settlement is. */
export function ReceiptPage() {
  const { receipt } = useParams({ strict: false }) as { receipt: string };
  const found = useQuery(receiptQuery(receipt));
  return (
    <Page title={`Receipt ${short(receipt)}`} trail={explorerTrail}>
      <Loaded query={found} rows={8}>
        {(view) => (
          <>
            <Settlement view={view} />
            <div className="grid gap-5 xl:grid-cols-2">
              <Card
                heading="Who is paid"
                note="Every payment follows from the scores and the index; anyone can recompute it."
              >
                <Split view={view} />
              </Card>
              <Card heading="The answer">
                <Facts
                  facts={[
                    ["Receipt", <Hash key="id" value={view.receiptId} />],
                    ["Release", <ReleaseLink key="release" value={view.releaseId} />],
                    ["Fee", <Amount key="fee" wei={view.feeWei} />],
                    [
                      "Tokens",
                      `${count(view.bundle.receipt.promptTokens)} asked, ${count(view.bundle.receipt.completionTokens)} answered`,
                    ],
                    ["Accepted", <When key="when" exact="second" ms={view.acceptedAtMs} />],
                    ["Channel", <Hash key="channel" value={view.channelId} />],
                    ["Question's digest", <Hash key="request" value={view.bundle.receipt.requestDigest} />],
                    ["Answer's digest", <Hash key="response" value={view.bundle.receipt.responseDigest} />],
                    [
                      "Batch",
                      view.batchId === null ? (
                        "not settled yet"
                      ) : (
                        <Link
                          key="batch"
                          to="/explorer/batches/$batch"
                          params={{ batch: String(view.batchId) }}
                          className="text-accent hover:underline"
                        >
                          {view.batchNumber === null ? "not posted yet" : `Batch ${view.batchNumber}`}
                        </Link>
                      ),
                    ],
                    [
                      "Settled in",
                      view.transactionHash === null ? (
                        "no transaction yet"
                      ) : (
                        <Transaction key="transaction" value={view.transactionHash} />
                      ),
                    ],
                  ]}
                />
              </Card>
            </div>
            <Card heading="What holds, and who says so">
              <Standing standing={view.standing} />
              <Checked view={view} />
            </Card>
          </>
        )}
      </Loaded>
    </Page>
  );
}
