import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { Address } from "viem";
import { api, ask } from "../../../api/client.ts";
import type { Schema } from "../../../api/types.ts";
import { Amount } from "../../../components/amount.tsx";
import { Address as AddressOf, Hash } from "../../../components/hash.tsx";
import { Facts } from "../../../components/page.tsx";
import { Button } from "../../../components/ui/button.tsx";
import { Card } from "../../../components/ui/card.tsx";
import { CheckField } from "../../../components/ui/field.tsx";
import { count } from "../../../lib/format.ts";
import { NeedsWallet } from "../../../wallet/needs-wallet.tsx";
import { useAddress } from "../../../wallet/wallet.ts";
import { licenseTerms } from "../about.tsx";
import { licensesQuery } from "../queries.ts";
import type { Part } from "./convert.ts";
import type { Preview } from "./hand-in.ts";

type Props = {
  datanet: Schema<"Datanet">;
  part: Part;
  preview: Preview;
  onSign: (contributor: Address) => void;
};

/** What is about to be signed, in words, and the agreement to it. */
export function Consent({ datanet, part, preview, onSign }: Props) {
  const [agreed, setAgreed] = useState(false);
  const address = useAddress();
  const licenses = useQuery(licensesQuery);
  const license = licenses.data?.licenses.find(({ id }) => id === preview.license);
  const stake = useQuery({
    queryKey: ["stake", datanet.datanetId, address],
    enabled: address !== undefined,
    queryFn: ({ signal }) =>
      ask(
        api.GET("/v1/datanets/{datanetId}/contributors/{contributor}/stake", {
          params: { path: { datanetId: datanet.datanetId, contributor: address as string } },
          signal,
        }),
      ),
  });
  const rowsOf = (wanted: string) => preview.rows.filter(({ status }) => status === wanted).length;
  const [counted, waiting] = [rowsOf("accepted"), rowsOf("pending")];
  return (
    <Card heading="Consent" note="A signature, not a payment: no OPEN is needed.">
      <Facts
        facts={[
          ["You give to", `${datanet.name} (Datanet ${datanet.datanetId})`],
          [
            "Rows",
            `${count(preview.exampleCount)}${part.last ? "" : ", and the parts after them"}; ${count(counted)} of them would count${waiting === 0 ? "" : ` at once, ${count(waiting)} would wait for review`}`,
          ],
          [
            "Under",
            <span key="license">
              {license?.name ?? preview.license} <span className="text-quiet">({preview.license})</span>
              {license && <span className="block text-quiet">{licenseTerms(license)}</span>}
            </span>,
          ],
          ["Digest of exactly these rows", <Hash key="digest" value={preview.examplesDigest} />],
          ["Paid to", address ? <AddressOf key="me" value={address} /> : "whoever signs"],
          [
            "You can take them back",
            "Later versions leave them out. Versions and models made before keep them, and say so.",
          ],
        ]}
      />
      <div className="mt-4 flex flex-col gap-4">
        <CheckField
          label={`I may give these rows under ${preview.license}, and I do.`}
          hint="They are mine, or their licence allows it."
          checked={agreed}
          onCheckedChange={(value) => setAgreed(value === true)}
        />
        <NeedsWallet why="The signature says whose the rows are, and who is paid.">
          {stake.data && !stake.data.mayContribute ? (
            <p role="alert" className="text-sm text-bad">
              This Datanet takes rows of those who have bonded <Amount wei={stake.data.neededWei} />; you have{" "}
              <Amount wei={stake.data.bondedWei} />. Bond the rest first.
            </p>
          ) : (
            <Button
              variant="primary"
              className="self-start"
              disabled={!agreed || counted + preview.exampleCount === 0}
              onClick={() => onSign(address as Address)}
            >
              Sign and send
            </Button>
          )}
        </NeedsWallet>
      </div>
    </Card>
  );
}
