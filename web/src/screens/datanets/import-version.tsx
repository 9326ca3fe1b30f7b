import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { api, ask } from "../../api/client.ts";
import { Button } from "../../components/ui/button.tsx";
import { Dialog } from "../../components/ui/dialog.tsx";
import { TextField } from "../../components/ui/field.tsx";
import { useAct } from "../../wallet/act.tsx";

/** Keeping a copy of a version that another node has, for the operator. */
export function ImportVersion() {
  const [open, setOpen] = useState(false);
  const navigate = useNavigate();
  const { act, busy, failure } = useAct();
  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    const datanetId = String(data.get("datanet"));
    const done = await act(async () => {
      const version = Number(data.get("version"));
      const from = String(data.get("from"));
      const found = await ask(
        api.POST("/v1/datanets/{datanetId}/versions/{version}/import", {
          params: { path: { datanetId, version } },
          body: { from },
        }),
      );
      return `Version ${found.version} is here, every row checked against the chain.`;
    });
    if (done) await navigate({ to: "/datanets/$id", params: { id: datanetId } });
  }
  return (
    <>
      <Button onClick={() => setOpen(true)}>Import a version</Button>
      {open && (
        <Dialog
          open
          onOpenChange={setOpen}
          title="Import a version"
          description="This node keeps a copy of a version that another node gives: each row is checked against the root on chain."
        >
          <form onSubmit={submit} className="flex flex-col gap-3">
            <div className="grid grid-cols-2 gap-3">
              <TextField
                label="Datanet"
                name="datanet"
                required
                pattern="[1-9][0-9]{0,77}"
                inputMode="numeric"
              />
              <TextField
                label="Version"
                name="version"
                required
                pattern="[1-9][0-9]{0,8}"
                inputMode="numeric"
              />
            </div>
            <TextField
              label="Other node"
              name="from"
              type="url"
              required
              placeholder="https://node.example"
            />
            {failure}
            <Button type="submit" variant="primary" className="self-start" disabled={busy}>
              {busy ? "Fetching and checking …" : "Import"}
            </Button>
          </form>
        </Dialog>
      )}
    </>
  );
}
