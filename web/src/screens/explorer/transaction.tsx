import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { api, ask } from "../../api/client.ts";
import type { Schema } from "../../api/types.ts";
import { Amount } from "../../components/amount.tsx";
import { Address, Hash } from "../../components/hash.tsx";
import { Facts, Page } from "../../components/page.tsx";
import { Loaded } from "../../components/states.tsx";
import { Badge } from "../../components/ui/badge.tsx";
import { Card } from "../../components/ui/card.tsx";
import { When } from "../../components/when.tsx";
import { bytes, count, short, words } from "../../lib/format.ts";
import { Arguments } from "./decoded.tsx";
import { Events } from "./events.tsx";
import { explorerTrail } from "./trail.ts";

/** One transaction, decoded. */
export function TransactionPage() {
  const { hash } = useParams({ strict: false }) as { hash: string };
  const found = useQuery({
    queryKey: ["transaction", hash],
    queryFn: ({ signal }) =>
      ask(api.GET("/v1/explorer/transactions/{hash}", { params: { path: { hash } }, signal })),
  });
  return (
    <Page title={`Transaction ${short(hash)}`} trail={explorerTrail}>
      <Loaded query={found} rows={8}>
        {({ transaction: data, logs }) => (
          <>
            <Card>
              <Facts
                facts={[
                  ["Hash", <Hash key="hash" value={data.hash} />],
                  [
                    "Result",
                    <span key="result" className="flex flex-wrap items-center gap-2">
                      <Badge tone={data.status === "success" ? "good" : "bad"}>{data.status}</Badge>
                      {data.error !== null && <span className="text-bad">{said(data.error)}</span>}
                    </span>,
                  ],
                  [
                    "Block",
                    <Link
                      key="block"
                      to="/explorer/blocks/$block"
                      params={{ block: String(data.blockNumber) }}
                      className="text-accent hover:underline"
                    >
                      {count(data.blockNumber)}
                    </Link>,
                  ],
                  ["Time", <When key="time" exact="second" ms={data.timestampSec * 1000} />],
                  ["From", <Address key="from" value={data.from} />],
                  [
                    "To",
                    data.to === null ? (
                      "a new contract"
                    ) : (
                      <span key="to" className="flex flex-wrap gap-2">
                        {data.toName} <Address value={data.to} />
                      </span>
                    ),
                  ],
                  ["Value", <Amount key="value" wei={data.valueWei} />],
                  ["Fee", <Amount key="fee" wei={data.feeWei} />],
                  ["Gas", `${count(data.gasUsed)} of ${count(data.gasLimit)}`],
                  ["Nonce", count(data.nonce)],
                ]}
              />
            </Card>
            <Card
              heading={data.function === null ? "Input" : `Calls ${words(data.function)}`}
              note={bytes(data.inputBytes)}
            >
              {data.arguments && data.arguments.length > 0 ? (
                <Arguments of={data.arguments} />
              ) : (
                <p className="font-mono text-[0.8125rem] break-all text-quiet">
                  {data.input.slice(0, 2_000)}
                </p>
              )}
            </Card>
            <Card heading="Events">
              <Events events={logs} />
            </Card>
          </>
        )}
      </Loaded>
    </Page>
  );
}

/** Why a transaction was reverted: the contract's name for it, and its figures. */
function said({
  name,
  arguments: figures,
  data,
}: NonNullable<Schema<"ExplorerTransaction">["error"]>): string {
  if (name === null) return data === "0x" ? "without a reason" : `with ${data}`;
  const values = (figures ?? []).map((figure) => `${figure.name} ${String(figure.value)}`).join(", ");
  return values === "" ? words(name) : `${words(name)} (${values})`;
}
