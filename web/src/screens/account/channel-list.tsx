import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { Address } from "viem";
import { Empty, Loaded } from "../../components/states.tsx";
import { Card } from "../../components/ui/card.tsx";
import { count } from "../../lib/format.ts";
import { SignedButton } from "../../wallet/act.tsx";
import { usePayingKey } from "../../wallet/paying-key.ts";
import { ChannelView } from "./channel-view.tsx";
import { channelsQuery } from "./channels.ts";
import { NewKey } from "./new-key.tsx";
import { Paying } from "./paying.tsx";

/** As many beside each other as there are and as fit. */
const grid = "grid items-start gap-4 grid-cols-[repeat(auto-fit,minmax(min(24rem,100%),1fr))]";

/** What pays: the account's channels and the keys that spend from them. */
export function Channels({ address }: { address: Address }) {
  const found = useQuery(channelsQuery(address));
  const key = usePayingKey();
  const [making, setMaking] = useState(false);
  const make = (
    <SignedButton variant="primary" onClick={() => setMaking(true)}>
      New key
    </SignedButton>
  );
  return (
    <div className="flex flex-col gap-5">
      <Card
        heading="Channels and keys"
        note="Each key spends from a channel of its own: a deposit of yours, up to a limit of yours. What is not spent comes back."
        action={found.data && found.data.channels.length > 0 ? make : undefined}
      >
        <Loaded query={found} rows={6}>
          {({ channels, closingSeconds }) => {
            const view = (channel: (typeof channels)[number]) => (
              <ChannelView
                key={channel.channelId}
                channel={channel}
                payer={address}
                closingSeconds={closingSeconds}
                inUse={key?.channelId === channel.channelId}
              />
            );
            const closed = channels.filter((channel) => channel.closed);
            const open = channels.filter((channel) => !channel.closed);
            return (
              <div className="flex flex-col gap-4">
                {open.length === 0 && (
                  <Empty title="No channel is open" action={make}>
                    A key that programs and the playground pay with is a channel with a deposit: make one
                    here.
                  </Empty>
                )}
                <div className={grid}>{open.map(view)}</div>
                {closed.length > 0 && (
                  <details>
                    <summary className="text-sm text-quiet">
                      {closed.length === 1 ? "A channel is" : `${count(closed.length)} channels are`} closed
                    </summary>
                    <div className={`mt-3 ${grid}`}>{closed.map(view)}</div>
                  </details>
                )}
              </div>
            );
          }}
        </Loaded>
      </Card>
      <Paying address={address} />
      {making && <NewKey address={address} onClose={() => setMaking(false)} />}
    </div>
  );
}
