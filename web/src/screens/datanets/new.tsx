import { useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { api, ask } from "../../api/client.ts";
import { queries } from "../../api/queries.ts";
import { Page } from "../../components/page.tsx";
import { Failure } from "../../components/states.tsx";
import { Button } from "../../components/ui/button.tsx";
import { Card } from "../../components/ui/card.tsx";
import { SelectField, TextArea, TextField } from "../../components/ui/field.tsx";
import { money } from "../../lib/format.ts";
import { OperatorNote } from "../../wallet/operator-note.tsx";
import { useIsOperator } from "../../wallet/session.ts";
import { licenseTerms } from "./about.tsx";
import { AccessFields, OverlapField, RulesFields } from "./fields.tsx";
import { type NewDatanet, readForm } from "./new-form.ts";
import { licensesQuery, registrationFeeQuery } from "./queries.ts";
import { datanetsTrail } from "./trail.ts";

/** Makes a Datanet on chain and says what it asks; made again, it goes on where it stopped. */
async function create(wanted: NewDatanet, onStage: (stage: string) => void): Promise<string> {
  const { card, rules, overlap, curators, access } = wanted;
  onStage("Publishing it on chain");
  const { datanetId } = await ask(api.POST("/v1/datanets", { body: card }));
  const path = { datanetId };
  onStage("Setting what it asks of rows");
  await ask(api.PUT("/v1/datanets/{datanetId}/rules", { params: { path }, body: rules }));
  if (overlap !== null) {
    onStage("Setting how many curators judge each row");
    await ask(api.PUT("/v1/datanets/{datanetId}/review", { params: { path }, body: { overlap } }));
  }
  for (const curator of new Set(curators)) {
    onStage(`Naming curator ${curator} on chain`);
    const params = { path: { datanetId, curator } };
    await ask(api.PUT("/v1/datanets/{datanetId}/curators/{curator}", { params, body: { allowed: true } }));
  }
  if (access.kind !== "public") {
    onStage("Setting who may read");
    await ask(api.PUT("/v1/datanets/{datanetId}/access", { params: { path }, body: access }));
  }
  await queries.invalidateQueries({ queryKey: ["datanets"] });
  return datanetId;
}

/** A new Datanet: what it is, under which licence, what it asks of rows, who judges them and who may read. */
export function NewDatanetPage() {
  const licenses = useQuery(licensesQuery);
  const operator = useIsOperator();
  const fee = useQuery({ ...registrationFeeQuery, enabled: operator });
  const registration =
    fee.data === undefined
      ? "The operator pays the registration, and its gas."
      : `The operator pays ${money(fee.data).amount} OPEN for the registration, and its gas.`;
  const [license, setLicense] = useState("CC0-1.0");
  const [stage, setStage] = useState("");
  const creating = useMutation({ mutationFn: (data: FormData) => create(readForm(data), setStage) });
  const chosen = licenses.data?.licenses.find(({ id }) => id === license);
  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    creating.mutate(new FormData(event.currentTarget));
  }
  return (
    <Page
      title="New Datanet"
      lead="A pool of licensed knowledge, owned by this node's operator, to which anybody may contribute."
      trail={datanetsTrail}
    >
      <OperatorNote doing="create a Datanet" others="Everybody may contribute to one." />
      <form onSubmit={submit} className="flex max-w-3xl flex-col gap-5">
        <Card heading="What it is" note="This stands on chain by its digest, and does not change.">
          <div className="grid gap-4 md:grid-cols-2">
            <TextField label="Name" name="name" required maxLength={120} />
            <TextField label="Domain" name="domain" required maxLength={120} placeholder="Local knowledge" />
            <TextArea
              label="Description"
              name="description"
              maxLength={4_000}
              rows={3}
              className="md:col-span-2"
            />
            <SelectField
              label="Licence"
              name="license"
              value={license}
              onChange={({ target }) => setLicense(target.value)}
              hint={chosen && licenseTerms(chosen)}
              className="md:col-span-2"
            >
              {(licenses.data?.licenses ?? [{ id: license, name: license }]).map(({ id, name }) => (
                <option key={id} value={id}>
                  {name} ({id})
                </option>
              ))}
            </SelectField>
          </div>
        </Card>
        <Card
          heading="What it asks of rows"
          note="Malformed rows and duplicates are refused always; what is not refused is noted."
        >
          <RulesFields />
        </Card>
        <Card heading="Who judges, and who may read">
          <div className="flex flex-col gap-4">
            <OverlapField />
            <TextArea
              label="Curators"
              name="curators"
              rows={2}
              placeholder="0x…"
              hint="Addresses, one a line; more can be named later."
            />
            <AccessFields />
          </div>
        </Card>
        {creating.error && <Failure error={creating.error} />}
        {creating.data ? (
          <p role="status" className="flex flex-wrap items-center gap-3 text-sm">
            Datanet {creating.data} is on chain.
            <Button variant="primary" asChild>
              <Link to="/datanets/$id" params={{ id: creating.data }}>
                Open it
              </Link>
            </Button>
          </p>
        ) : (
          <div className="flex flex-wrap items-center gap-3">
            <Button type="submit" variant="primary" disabled={!operator || creating.isPending}>
              Create it
            </Button>
            <span role="status" className="text-sm text-quiet">
              {creating.isPending
                ? `${stage} …`
                : operator
                  ? registration
                  : "Datanets are created in the operator's name: the note at the top says how."}
            </span>
          </div>
        )}
      </form>
    </Page>
  );
}
