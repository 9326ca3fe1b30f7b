import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Amount } from "../../components/amount.tsx";
import { Address, Hash } from "../../components/hash.tsx";
import { Facts, Page } from "../../components/page.tsx";
import { Empty, Loaded } from "../../components/states.tsx";
import { Badge } from "../../components/ui/badge.tsx";
import { Button } from "../../components/ui/button.tsx";
import { Card } from "../../components/ui/card.tsx";
import { When } from "../../components/when.tsx";
import { useAct } from "../../wallet/act.tsx";
import { NeedsWallet } from "../../wallet/needs-wallet.tsx";
import { signOut, useSession } from "../../wallet/session.ts";
import { leave, useWallet } from "../../wallet/wallet.ts";
import { DeviceKey } from "./device-key.tsx";
import { Paying } from "./paying.tsx";

/** Who one is here: the wallet, the session, the key of this device, the key that pays, and the network. */
export function AccountPage() {
  const wallet = useWallet();
  return (
    <Page title="Account" lead="Your wallet, what pays for your answers, and the network they live on.">
      {wallet.kind === "none" ? (
        <Empty title="Nobody is signed in" action={<NeedsWallet why="">{null}</NeedsWallet>}>
          A key of this device is made in a moment, or connect a wallet of this browser.
        </Empty>
      ) : (
        <div className="grid items-start gap-5 xl:grid-cols-2">
          <Wallet address={wallet.address} />
          <Paying address={wallet.address} />
          {wallet.kind !== "browser" && <DeviceKey />}
          <Network />
        </div>
      )}
      {wallet.kind === "none" && <Network />}
    </Page>
  );
}

async function leaveAll(): Promise<string> {
  leave();
  await signOut();
  return "Signed out.";
}

function Wallet({ address }: { address: `0x${string}` }) {
  const wallet = useWallet();
  const session = useSession();
  const { act, busy, failure } = useAct();
  const balance = useQuery({
    queryKey: ["balance of", address],
    queryFn: async () => {
      const { network } = await import("../../chain/client.ts");
      return (await network()).public.getBalance({ address });
    },
    refetchInterval: 10_000,
  });
  const kind = {
    none: "",
    locked: "a key of this device, locked",
    local: "a key of this device",
    browser: "",
  }[wallet.kind];
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
          ["Kind", wallet.kind === "browser" ? wallet.name : kind],
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
  const network = useQuery({
    queryKey: ["network"],
    queryFn: async () => (await import("../../chain/client.ts")).network(),
    staleTime: Number.POSITIVE_INFINITY,
    structuralSharing: false,
  });
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
