import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { keyQuery } from "../../api/answers.ts";
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
  usePayingKey,
} from "../../wallet/paying-key.ts";

/** The API key that pays for answers: what it has left, and what it has used. */
export function Paying({ address }: { address: `0x${string}` }) {
  const key = usePayingKey();
  const { act, busy, failure } = useAct();
  return (
    <Card
      heading="What pays for answers"
      note="An API key that spends from a channel of yours, up to what you put in."
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
  return (
    <>
      <Loaded query={found} rows={5}>
        {({ label, state, remainingWei, channelId, usage }) => (
          <Facts
            facts={[
              ["Label", label || "none"],
              ["State", state],
              ["Left", <Amount key="left" wei={remainingWei} />],
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
        <Button variant="danger" onClick={() => leavePayingKey(address)}>
          Forget it here
        </Button>
      </div>
    </>
  );
}
