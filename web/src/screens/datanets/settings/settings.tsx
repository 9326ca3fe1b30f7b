import { useQuery } from "@tanstack/react-query";
import type { FormEvent } from "react";
import { api, ask } from "../../../api/client.ts";
import type { Schema } from "../../../api/types.ts";
import { Loaded } from "../../../components/states.tsx";
import { Button } from "../../../components/ui/button.tsx";
import { Card } from "../../../components/ui/card.tsx";
import { useAct } from "../../../wallet/act.tsx";
import { OperatorNote } from "../../../wallet/operator-note.tsx";
import { useIsOperator } from "../../../wallet/session.ts";
import { AccessFields, RulesFields } from "../fields.tsx";
import { readAccess, readRules } from "../new-form.ts";
import { Publish } from "../publish.tsx";
import { accessQuery, rulesQuery } from "../queries.ts";
import { Judges } from "./judges.tsx";
import { Readers } from "./readers.tsx";
import { Reads } from "./reads.tsx";

type Props = { datanet: Schema<"Datanet"> };

/** All that a Datanet's owner does with it. */
export function Settings({ datanet }: Props) {
  const operator = useIsOperator();
  if (!operator)
    return (
      <Card heading="Settings">
        <OperatorNote doing="see and change a Datanet's settings" />
      </Card>
    );
  const { datanetId } = datanet;
  return (
    <div className="grid items-start gap-5 xl:grid-cols-2">
      <div className="flex min-w-0 flex-col gap-5">
        <Publish datanetId={datanetId} />
        <RulesForm datanetId={datanetId} />
        <Reads datanetId={datanetId} />
      </div>
      <div className="flex min-w-0 flex-col gap-5">
        <Judges datanet={datanet} />
        <AccessForm datanetId={datanetId} />
        <Readers datanetId={datanetId} />
      </div>
    </div>
  );
}

function RulesForm({ datanetId }: { datanetId: string }) {
  const rules = useQuery(rulesQuery(datanetId));
  const { act, busy, failure } = useAct();
  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    void act(async () => {
      const body = readRules(data);
      await ask(api.PUT("/v1/datanets/{datanetId}/rules", { params: { path: { datanetId } }, body }));
      return "The rules hold for rows from now on.";
    });
  }
  return (
    <Card
      heading="What it asks of rows"
      note="From the next contribution on; rows that are here stay as they were judged. Malformed rows and duplicates are refused always."
    >
      <Loaded query={rules} rows={6}>
        {(held) => (
          <form key={JSON.stringify(held)} onSubmit={submit} className="flex flex-col gap-4">
            <RulesFields rules={held} />
            {failure}
            <Button type="submit" className="self-start" disabled={busy}>
              Save the rules
            </Button>
          </form>
        )}
      </Loaded>
    </Card>
  );
}

function AccessForm({ datanetId }: { datanetId: string }) {
  const access = useQuery(accessQuery(datanetId));
  const { act, busy, failure } = useAct();
  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    void act(async () => {
      const body = readAccess(data);
      await ask(api.PUT("/v1/datanets/{datanetId}/access", { params: { path: { datanetId } }, body }));
      return body.kind === "public"
        ? "Everybody may read."
        : "The terms hold; passes that were out have ended.";
    });
  }
  return (
    <Card
      heading="Who may read"
      note="Other terms must be accepted anew, and passes that are out end. Texts that are not for everybody are stored encrypted."
    >
      <Loaded query={access} rows={4}>
        {({ rule }) => (
          <form key={JSON.stringify(rule)} onSubmit={submit} className="flex flex-col gap-4">
            <AccessFields rule={rule} />
            {failure}
            <Button type="submit" className="self-start" disabled={busy}>
              {busy ? "Saving …" : "Save who may read"}
            </Button>
          </form>
        )}
      </Loaded>
    </Card>
  );
}
