import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, ask } from "../../api/client.ts";
import { Button } from "../../components/ui/button.tsx";
import { Card } from "../../components/ui/card.tsx";
import { TextField } from "../../components/ui/field.tsx";
import { money, parseOpen } from "../../lib/format.ts";
import { useAct } from "../../wallet/act.tsx";
import { useIsOperator } from "../../wallet/session.ts";
import { networkQuery } from "./network.ts";

/** OPEN for nothing, where it is worth nothing: on a local network, for who acts as its operator. */
export function Faucet({ address }: { address: string }) {
  const operator = useIsOperator();
  const network = useQuery(networkQuery);
  const [text, setText] = useState("100");
  const { act, busy, failure } = useAct();
  if (!operator || !network.data?.local) return null;
  function submit(event: FormEvent) {
    event.preventDefault();
    void act(async () => {
      const amountWei = parseOpen(text);
      await ask(api.POST("/v1/faucet", { body: { address, amountWei: amountWei.toString() } }));
      return `${money(amountWei).amount} OPEN came from the faucet.`;
    });
  }
  return (
    <Card
      heading="Faucet"
      note="This network is a local one: its OPEN is for trying things out, and its operator gives it away."
    >
      <form onSubmit={submit} className="flex flex-col gap-3">
        <TextField
          label="OPEN to get"
          inputMode="decimal"
          required
          value={text}
          onChange={({ target }) => setText(target.value)}
          hint="At most 20,000,000 at once."
        />
        {failure}
        <Button type="submit" className="self-start" disabled={busy}>
          {busy ? "Asking …" : "Get OPEN"}
        </Button>
      </form>
    </Card>
  );
}
