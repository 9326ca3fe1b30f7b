import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import type { Address, Hex } from "viem";
import { api, ask } from "../../api/client.ts";
import { queries } from "../../api/queries.ts";
import { Failure } from "../../components/states.tsx";
import { Button } from "../../components/ui/button.tsx";
import { Dialog } from "../../components/ui/dialog.tsx";
import { useToast } from "../../components/ui/toast.tsx";
import { count } from "../../lib/format.ts";
import { NeedsWallet } from "../../wallet/needs-wallet.tsx";
import { signTypedData } from "../../wallet/wallet.ts";

type Props = {
  datanetId: string;
  contributor: Address;
  /** Which rows, once it is sure that they are to be taken back. */
  digestsOf: () => Promise<readonly Hex[]>;
  what: string;
};

/** Rows that one signature takes back; more take another. */
const atOnce = 10_000;

/** Taking one's own rows back, by signature. */
export function Withdraw({ datanetId, contributor, digestsOf, what }: Props) {
  const [open, setOpen] = useState(false);
  const say = useToast();
  const taking = useMutation({
    mutationFn: async () => {
      let withdrawn = 0;
      const digests = await digestsOf();
      for (let at = 0; at < digests.length; at += atOnce)
        withdrawn += (await withdraw({ datanetId, contributor, digests: digests.slice(at, at + atOnce) }))
          .withdrawn;
      return withdrawn;
    },
    onSuccess: async (withdrawn) => {
      setOpen(false);
      say(`${count(withdrawn)} ${withdrawn === 1 ? "row is" : "rows are"} taken back.`);
      await queries.invalidateQueries();
    },
  });
  return (
    <>
      <Button
        variant="danger"
        size="small"
        className="mt-3 h-auto min-h-8 max-w-full py-1 text-left whitespace-normal"
        onClick={() => setOpen(true)}
      >
        Take back {what}
      </Button>
      {open && (
        <Dialog
          open
          onOpenChange={setOpen}
          title={`Take back ${what}?`}
          description="Versions from now on leave them out, and they earn nothing from models trained on those. Versions and models made before keep them, and say that they were taken back. You may give them again."
        >
          {taking.error && <Failure error={taking.error} />}
          <NeedsWallet why="Only who gave rows can take them back: a signature shows it.">
            <div className="flex gap-2">
              <Button variant="danger" disabled={taking.isPending} onClick={() => taking.mutate()}>
                Sign and take back
              </Button>
              <Button onClick={() => setOpen(false)}>Keep them</Button>
            </div>
          </NeedsWallet>
        </Dialog>
      )}
    </>
  );
}

async function withdraw({
  datanetId,
  contributor,
  digests,
}: Pick<Props, "datanetId" | "contributor"> & { digests: readonly Hex[] }) {
  const path = { datanetId };
  const [{ domain, examplesDigest, signWithdrawal }, { signing }] = await Promise.all([
    import("../../../../src/protocol/index.ts"),
    ask(api.GET("/v1/datanets/{datanetId}", { params: { path } })),
  ]);
  const signedAt = Math.floor(Date.now() / 1_000);
  const signature = await signWithdrawal(
    domain(signing.chainId, signing.verifyingContract as Address),
    {
      datanetId: BigInt(datanetId),
      contributor,
      examplesDigest: examplesDigest(digests),
      exampleCount: digests.length,
      signedAt: BigInt(signedAt),
    },
    (data) => signTypedData(data as never),
  );
  return ask(
    api.POST("/v1/datanets/{datanetId}/withdrawals", {
      params: { path },
      body: { contributor, digests: [...digests], signedAt, signature },
    }),
  );
}
