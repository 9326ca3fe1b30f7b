import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { keyQuery, leftOn } from "../../api/answers.ts";
import { Amount } from "../../components/amount.tsx";
import { Hash } from "../../components/hash.tsx";
import { Facts } from "../../components/page.tsx";
import { Loaded } from "../../components/states.tsx";
import { Button } from "../../components/ui/button.tsx";
import { Card } from "../../components/ui/card.tsx";
import { count } from "../../lib/format.ts";
import { useAct } from "../../wallet/act.tsx";
import {
  keepsPayingKey,
  leavePayingKey,
  openPayingKey,
  type PayingKey,
  revokePayingKey,
  usePayingKey,
} from "../../wallet/paying-key.ts";

/** The API key that pays for answers: what it has left, and what it has used. */
export function Paying({ address }: { address: `0x${string}` }) {
  const key = usePayingKey();
  const { act, busy, failure } = useAct();
  return (
    <Card
      heading="The key of the playground"
      note="It pays for answers in this browser, up to what its channel and its limit leave."
    >
      {key ? (
        <InUse payingKey={key} address={address} />
      ) : keepsPayingKey(address) ? (
        <Button
          disabled={busy}
          onClick={() => act(() => openPayingKey(address).then(() => "The key is open."))}
        >
          Open the key that this device keeps
        </Button>
      ) : (
        <p className="text-sm">
          There is none here yet: it is made in the{" "}
          <Link to="/playground" className="text-accent underline underline-offset-3">
            playground
          </Link>
          , when you first pay.
        </p>
      )}
      {failure}
    </Card>
  );
}

function InUse({ payingKey, address }: { payingKey: PayingKey; address: `0x${string}` }) {
  const found = useQuery(keyQuery(payingKey.secret));
  const { act, busy, failure } = useAct();
  return (
    <>
      <Loaded query={found} rows={5}>
        {({ label, state, remainingWei, reservedWei, channelId, usage }) => (
          <Facts
            facts={[
              ["Label", label || "none"],
              ["State", state],
              ["Left", <Amount key="left" wei={leftOn({ remainingWei, reservedWei })} />],
              ["Spent", <Amount key="spent" wei={usage.chargedWei} />],
              ["Answers", count(usage.requests)],
              ["Tokens", `${count(usage.promptTokens)} asked, ${count(usage.completionTokens)} answered`],
              ["Channel", channelId === null ? "none" : <Hash key="channel" value={channelId} />],
            ]}
          />
        )}
      </Loaded>
      <div className="mt-3 flex flex-wrap gap-2">
        <Button onClick={() => leavePayingKey()}>Close it until it is needed</Button>
        <Button onClick={() => leavePayingKey(address)}>Forget it here</Button>
        <Button
          variant="danger"
          disabled={busy}
          onClick={() => {
            if (!confirm("Revoke this key? It buys nothing more. What is left stays in its channel.")) return;
            void act(() => revokePayingKey(payingKey, address).then(() => "The key is revoked."));
          }}
        >
          Revoke it
        </Button>
      </div>
      {failure}
    </>
  );
}
