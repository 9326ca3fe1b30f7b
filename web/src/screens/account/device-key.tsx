import { useState } from "react";
import { Button } from "../../components/ui/button.tsx";
import { Card } from "../../components/ui/card.tsx";
import { Dialog } from "../../components/ui/dialog.tsx";
import { short } from "../../lib/format.ts";
import { exportedKey, forgetLocalKey, useWallet } from "../../wallet/wallet.ts";

/** Hands the key file, still under its password, to the browser as a download. */
function download(address: string): void {
  const file = exportedKey();
  if (file === null) return;
  const url = URL.createObjectURL(new Blob([file], { type: "application/json" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = `openledger-${address}.json`;
  link.click();
  URL.revokeObjectURL(url);
}

/** The key that this device keeps under a password: taken elsewhere, or forgotten. */
export function DeviceKey() {
  const wallet = useWallet();
  const [forgetting, setForgetting] = useState(false);
  if (wallet.kind === "none") return null;
  return (
    <Card
      heading="Key of this device"
      note="Kept here under your password alone. Nobody can restore it but its file."
    >
      <div className="flex flex-wrap gap-2">
        <Button onClick={() => download(wallet.address)}>Save its file</Button>
        <Button variant="danger" onClick={() => setForgetting(true)}>
          Forget it
        </Button>
      </div>
      <Dialog
        open={forgetting}
        onOpenChange={setForgetting}
        title="Forget this key?"
        description={`What ${short(wallet.address)} owns can be reached with its file and password only. Save the file first.`}
      >
        <div className="flex flex-wrap gap-2">
          <Button onClick={() => download(wallet.address)}>Save its file</Button>
          <Button variant="danger" onClick={forgetLocalKey}>
            Forget the key
          </Button>
        </div>
      </Dialog>
    </Card>
  );
}
