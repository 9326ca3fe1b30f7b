import { useQueries, useQuery } from "@tanstack/react-query";
import { api, ask } from "../../api/client.ts";
import { Empty, Loaded } from "../../components/states.tsx";
import { Badge } from "../../components/ui/badge.tsx";
import { CheckField, SelectField } from "../../components/ui/field.tsx";
import { count, datanetLabel } from "../../lib/format.ts";
import { licensesQuery, versionsQuery } from "../datanets/queries.ts";
import type { Draft } from "./draft.ts";

type Props = { chosen: Draft["datanets"]; onChange: (chosen: Draft["datanets"]) => void };

const listed = 50;

/** Datanet versions to train on, with what their licences permit. */
export function DataChoice({ chosen, onChange }: Props) {
  const datanets = useQuery({
    queryKey: ["datanets", "to choose"],
    queryFn: ({ signal }) => ask(api.GET("/v1/datanets", { params: { query: { limit: listed } }, signal })),
  });
  return (
    <Loaded query={datanets}>
      {({ datanets: all }) => (
        <Choice
          ids={all.map(({ datanetId, name }) => ({ datanetId, name }))}
          chosen={chosen}
          onChange={onChange}
        />
      )}
    </Loaded>
  );
}

function Choice({ ids, chosen, onChange }: Props & { ids: readonly { datanetId: string; name: string }[] }) {
  const licenses = useQuery(licensesQuery);
  const versions = useQueries({
    queries: ids.map(({ datanetId }) => versionsQuery(datanetId)),
  });
  const rows = ids.flatMap((datanet, at) => {
    const found = versions[at]?.data?.versions ?? [];
    return found.length === 0 ? [] : [{ ...datanet, versions: found }];
  });
  if (rows.length === 0 && versions.every(({ isPending }) => !isPending))
    return (
      <Empty title="No Datanet has a published version">
        Publish a version of a Datanet first: only what is fixed and on chain can be trained on.
      </Empty>
    );
  return (
    <ul className="flex flex-col divide-y rounded-md border">
      {rows.map(({ datanetId, name, versions: of }) => {
        const version = chosen[datanetId];
        const shown = of.find((one) => one.version === version) ?? of[0];
        const license = licenses.data?.licenses.find(({ id }) => id === shown?.license);
        return (
          <li key={datanetId} className="flex flex-wrap items-center justify-between gap-3 p-3">
            <CheckField
              label={datanetLabel(name, datanetId)}
              hint={`${count(shown?.count ?? 0)} examples, ${count(shown?.heldoutCount ?? 0)} held out. Each row has its contributor's signed consent.`}
              checked={version !== undefined}
              onCheckedChange={(checked) => {
                const { [datanetId]: _, ...rest } = chosen;
                onChange(checked === true && shown ? { ...rest, [datanetId]: shown.version } : rest);
              }}
            />
            <div className="flex flex-wrap items-center gap-3">
              <Badge tone={license?.commercialUse === false ? "wait" : "good"}>
                {shown?.license ?? ""}
                {license?.commercialUse === false ? ": no price may be asked" : ""}
              </Badge>
              <SelectField
                label={<span className="sr-only">Version of {datanetLabel(name, datanetId)}</span>}
                value={shown?.version ?? ""}
                onChange={({ target }) => onChange({ ...chosen, [datanetId]: Number(target.value) })}
              >
                {of.map(({ version: number }) => (
                  <option key={number} value={number}>
                    Version {number}
                  </option>
                ))}
              </SelectField>
            </div>
          </li>
        );
      })}
    </ul>
  );
}
