import { useQuery } from "@tanstack/react-query";
import type { Schema } from "../../api/types.ts";
import { Amount } from "../../components/amount.tsx";
import { Address, Hash } from "../../components/hash.tsx";
import { Facts } from "../../components/page.tsx";
import { Loaded } from "../../components/states.tsx";
import { Card } from "../../components/ui/card.tsx";
import { When } from "../../components/when.tsx";
import { count } from "../../lib/format.ts";
import { optionalChecks } from "./new-form.ts";
import { licensesQuery, rulesQuery } from "./queries.ts";
import { Files } from "./versions.tsx";

/** What a licence allows and asks, in words. */
export const licenseTerms = (license: Schema<"License">): string =>
  [
    license.commercialUse ? "commercial use allowed" : "no commercial use",
    license.derivatives ? undefined : "no adapted works",
    license.attribution ? "authors are named" : undefined,
    license.shareAlike ? "adapted works under the same licence" : undefined,
  ]
    .filter((term) => term !== undefined)
    .join(", ");

/** The dataset card: what it is, under which licence, what it asks of rows, and its files. */
export function About({ datanet }: { datanet: Schema<"Datanet"> }) {
  const { datanetId, license, versions } = datanet;
  const licenses = useQuery(licensesQuery);
  const rules = useQuery(rulesQuery(datanetId));
  const found = licenses.data?.licenses.find(({ id }) => id === license);
  return (
    <div className="grid gap-5 xl:grid-cols-2">
      <Card heading="Card">
        <Facts
          facts={[
            ["Number", datanetId],
            ["Domain", datanet.domain],
            [
              "Licence",
              <span key="licence">
                {found?.name ?? license} <span className="text-quiet">({license})</span>
                {found && <span className="block text-quiet">{licenseTerms(found)}</span>}
              </span>,
            ],
            ["Owner", <Address key="owner" value={datanet.owner} />],
            ["Pool of all contributors", <Address key="pool" value={datanet.pool} />],
            ["Card's digest on chain", <Hash key="card" value={datanet.cardDigest} />],
            ["Recorded", <When key="when" exact ms={datanet.recordedAtMs} />],
            [
              `Version ${versions || ""} as files`,
              versions > 0 ? (
                <Files key="files" datanetId={datanetId} version={versions} />
              ) : (
                "none published yet"
              ),
            ],
          ]}
        />
      </Card>
      <Card heading="What it asks of rows">
        <Loaded query={rules} rows={4}>
          {(asked) => (
            <Facts
              facts={[
                [
                  "Refused",
                  asked.refuse.map((check) => optionalChecks[check]).join("; ") ||
                    "Malformed rows and duplicates alone",
                ],
                ["Languages", asked.languages?.join(", ") ?? "any"],
                ["Length", lengthOf(asked)],
                [
                  "Personal data",
                  asked.maskPersonalData
                    ? "masked before rows are signed"
                    : "noted; masked if you ask for it",
                ],
                [
                  "Rows are taken of",
                  asked.contributors === undefined ? (
                    "anybody"
                  ) : (
                    <span key="contributors" className="flex flex-wrap gap-x-3">
                      {asked.contributors.slice(0, 20).map((contributor) => (
                        <Address key={contributor} value={contributor} />
                      ))}
                      {asked.contributors.length > 20 && `and ${count(asked.contributors.length - 20)} more`}
                    </span>
                  ),
                ],
                [
                  "Stake of contributors",
                  asked.stakeWei ? <Amount key="stake" wei={asked.stakeWei} /> : "none",
                ],
              ]}
            />
          )}
        </Loaded>
      </Card>
    </div>
  );
}

function lengthOf({ minTokens, maxTokens }: Schema<"DatanetRules">): string {
  if (minTokens === undefined && maxTokens === undefined) return "any that fits the base model";
  if (maxTokens === undefined) return `at least ${count(minTokens as number)} tokens`;
  return `${minTokens === undefined ? "at most" : `${count(minTokens)} to`} ${count(maxTokens)} tokens`;
}
