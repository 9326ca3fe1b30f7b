import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { accountBalanceQuery } from "../../chain/balance.ts";
import { Amount } from "../../components/amount.tsx";
import { Address, Hash } from "../../components/hash.tsx";
import { Facts, Page } from "../../components/page.tsx";
import { Empty, Loaded } from "../../components/states.tsx";
import { Badge } from "../../components/ui/badge.tsx";
import { Button } from "../../components/ui/button.tsx";
import { Card } from "../../components/ui/card.tsx";
import { Tabs } from "../../components/ui/tabs.tsx";
import { When } from "../../components/when.tsx";
import { useAddressParam } from "../../lib/address.ts";
import { startTour } from "../../tour/tour.ts";
import { useAct } from "../../wallet/act.tsx";
import { NeedsWallet } from "../../wallet/needs-wallet.tsx";
import { signOut, useSession } from "../../wallet/session.ts";
import { leave, useWallet } from "../../wallet/wallet.ts";
import { ContributionsOf } from "../datanets/contributions.tsx";
import { Channels } from "./channel-list.tsx";
import { DeviceKey } from "./device-key.tsx";
import { Faucet } from "./faucet.tsx";
import { networkQuery } from "./network.ts";
import { Passes } from "./passes.tsx";

/** Who one is here: the wallet, the session, the key of this device, what pays and from where, and the network. */
export function AccountPage() {
  const wallet = useWallet();
  const [tab, setTab] = useAddressParam("tab", "you");
  return (
    <Page title="Account" lead="Your wallet, what pays for your answers, and the network they live on.">
      {wallet.kind === "none" ? (
        <>
          <Empty title="Nobody is signed in" action={<NeedsWallet why="">{null}</NeedsWallet>}>
            A key of this device is made in a moment, or connect a wallet of this browser.
          </Empty>
          <div className="grid items-start gap-5 xl:grid-cols-2">
            <Network />
            <TourCard />
          </div>
        </>
      ) : (
        <Tabs
          label="Parts of the account"
          value={tab}
          onChange={setTab}
          tabs={[
            {
              id: "you",
              label: "You",
              content: (
                <div className="grid items-start gap-5 xl:grid-cols-2">
                  <Wallet address={wallet.address} />
                  <Network />
                  <Faucet address={wallet.address} />
                  {wallet.kind !== "browser" && <DeviceKey />}
                  <TourCard />
                </div>
              ),
            },
            {
              id: "contributions",
              label: "Contributions",
              content: <ContributionsOf address={wallet.address} you />,
            },
            { id: "channels", label: "Channels and keys", content: <Channels address={wallet.address} /> },
            { id: "passes", label: "Passes", content: <Passes /> },
          ]}
        />
      )}
    </Page>
  );
}

/** The first look again, for who skipped it. */
const TourCard = () => (
  <Card heading="First look" note="Six short steps from knowing something to being paid for it.">
    <Button onClick={startTour}>Show it again</Button>
  </Card>
);

async function leaveAll(): Promise<string> {
  leave();
  await signOut();
  return "Signed out.";
}

function Wallet({ address }: { address: `0x${string}` }) {
  const wallet = useWallet();
  const session = useSession();
  const { act, busy, failure } = useAct();
  const balance = useQuery(accountBalanceQuery(address));
  return (
    <Card
      heading="Wallet"
      action={
        <Button size="small" disabled={busy} onClick={() => act(leaveAll)}>
          Sign out
        </Button>
      }
    >
      <Facts
        facts={[
          ["Address", <Address key="address" value={address} />],
          [
            "Kind",
            wallet.kind === "browser"
              ? wallet.name
              : `a key of this device${wallet.kind === "locked" ? ", locked" : ""}`,
          ],
          [
            "Balance",
            <Loaded key="balance" query={balance} rows={1}>
              {(wei) => <Amount wei={wei} />}
            </Loaded>,
          ],
          [
            "Session",
            session ? (
              <span key="session">
                signed in until <When exact ms={session.expiresAtMs} />
              </span>
            ) : (
              "not signed in"
            ),
          ],
          [
            "Acts as the operator",
            session?.operator ? (
              <Badge key="operator" tone="good">
                yes
              </Badge>
            ) : (
              <span key="operator">
                no. On the node's machine:{" "}
                <code className="font-mono text-[0.8125rem] break-all">
                  ./openledger operator admit {address}
                </code>
              </span>
            ),
          ],
        ]}
      />
      <p className="mt-3 flex flex-wrap gap-4 text-sm">
        <Link to="/earnings" className="text-accent underline underline-offset-3">
          What it earns
        </Link>
        <Link
          to="/explorer/accounts/$address"
          params={{ address }}
          className="text-accent underline underline-offset-3"
        >
          What it did on chain
        </Link>
      </p>
      {failure}
    </Card>
  );
}

function Network() {
  const wallet = useWallet();
  const { act, busy, failure } = useAct();
  const network = useQuery(networkQuery);
  return (
    <Card
      heading="Network"
      action={
        wallet.kind === "browser" && (
          <Button
            size="small"
            disabled={busy || !network.data}
            onClick={() =>
              act(async () => {
                if (network.data) await wallet.client.addChain({ chain: network.data.chain });
                return "The wallet knows the network.";
              })
            }
          >
            Add to the wallet
          </Button>
        )
      }
    >
      <Loaded query={network} rows={4}>
        {({ chain, operator }) => (
          <Facts
            facts={[
              ["Name", chain.name],
              ["Chain id", String(chain.id)],
              [
                "RPC",
                <span key="rpc" className="font-mono text-[0.8125rem] break-all">
                  {chain.rpcUrls.default.http[0]}
                </span>,
              ],
              ["Gas", `${chain.nativeCurrency.symbol}, ${chain.nativeCurrency.decimals} decimals`],
              ["Operator", <Hash key="operator" value={operator} to={`/explorer/accounts/${operator}`} />],
            ]}
          />
        )}
      </Loaded>
      {failure}
    </Card>
  );
}
