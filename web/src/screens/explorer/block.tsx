import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { api, ask } from "../../api/client.ts";
import { Address, Hash } from "../../components/hash.tsx";
import { Facts, Page } from "../../components/page.tsx";
import { Loaded } from "../../components/states.tsx";
import { Card } from "../../components/ui/card.tsx";
import { When } from "../../components/when.tsx";
import { bytes, count } from "../../lib/format.ts";
import { explorerTrail } from "./trail.ts";
import { Transactions } from "./transactions.tsx";

/** One block and its transactions. */
export function Block() {
  const { block } = useParams({ strict: false }) as { block: string };
  const found = useQuery({
    queryKey: ["block", block],
    queryFn: ({ signal }) =>
      ask(api.GET("/v1/explorer/blocks/{block}", { params: { path: { block } }, signal })),
  });
  const transactions = useQuery({
    queryKey: ["block transactions", block],
    queryFn: ({ signal }) =>
      ask(
        api.GET("/v1/explorer/blocks/{block}/transactions", {
          params: { path: { block: Number(block) } },
          signal,
        }),
      ),
  });
  return (
    <Page title={`Block ${block}`} trail={explorerTrail}>
      <Card>
        <Loaded query={found} rows={7}>
          {(data) => (
            <Facts
              facts={[
                ["Hash", <Hash key="hash" value={data.hash} />],
                [
                  "Parent",
                  data.number === 0 ? (
                    "none: the first block"
                  ) : (
                    <Link
                      key="parent"
                      to="/explorer/blocks/$block"
                      params={{ block: String(data.number - 1) }}
                      className="text-accent hover:underline"
                    >
                      Block {count(data.number - 1)}
                    </Link>
                  ),
                ],
                ["Time", <When key="time" exact="second" ms={data.timestampSec * 1000} />],
                ["State root", <Hash key="root" value={data.stateRoot} />],
                ["Tips go to", <Address key="miner" value={data.miner} />],
                ["Gas used", `${count(data.gasUsed)} of ${count(data.gasLimit)}`],
                ["Size", bytes(data.sizeBytes)],
              ]}
            />
          )}
        </Loaded>
      </Card>
      <Card heading="Transactions">
        <Loaded query={transactions}>
          {({ transactions }) => <Transactions transactions={transactions} />}
        </Loaded>
      </Card>
    </Page>
  );
}
