import { useQuery } from "@tanstack/react-query";
import type { FormEvent } from "react";
import { api, ask } from "../../../api/client.ts";
import type { Schema } from "../../../api/types.ts";
import { Address } from "../../../components/hash.tsx";
import { Loaded } from "../../../components/states.tsx";
import { Button } from "../../../components/ui/button.tsx";
import { Card } from "../../../components/ui/card.tsx";
import { TextField } from "../../../components/ui/field.tsx";
import { Table } from "../../../components/ui/table.tsx";
import { When } from "../../../components/when.tsx";
import { short } from "../../../lib/format.ts";
import { useAct } from "../../../wallet/act.tsx";
import { OverlapField } from "../fields.tsx";
import { readAddresses, readOverlap } from "../new-form.ts";
import { curatorsQuery, electionsQuery, standingQuery } from "../queries.ts";
import { OpenElection } from "./open-election.tsx";

/** Who judges rows: how many of them, whom the owner names, and whether contributors elect. */
export function Judges({ datanet: { datanetId, versions } }: { datanet: Schema<"Datanet"> }) {
  const standing = useQuery(standingQuery(datanetId));
  const curators = useQuery(curatorsQuery(datanetId));
  const { act, busy, failure } = useAct();
  const name = (curator: string, allowed: boolean) =>
    ask(
      api.PUT("/v1/datanets/{datanetId}/curators/{curator}", {
        params: { path: { datanetId, curator } },
        body: { allowed },
      }),
    );
  function submitOverlap(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const overlap = readOverlap(new FormData(event.currentTarget));
    void act(async () => {
      await ask(
        api.PUT("/v1/datanets/{datanetId}/review", { params: { path: { datanetId } }, body: { overlap } }),
      );
      return overlap === null
        ? "What passes the checks counts at once."
        : `Each row is judged by ${overlap} now.`;
    });
  }
  async function submitCurators(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = event.currentTarget;
    const named = await act(async () => {
      const addresses = readAddresses(new FormData(form), "curators", "Curators");
      for (const curator of addresses) await name(curator, true);
      return addresses.length === 1
        ? `${short(addresses[0] as string)} curates from now on.`
        : `${addresses.length} curate from now on.`;
    });
    if (named) form.reset();
  }
  return (
    <Card
      heading="Who judges"
      note="Curators accept and reject what passed the checks. Naming one is a transaction of the node's account."
    >
      <div className="flex flex-col gap-5">
        <Loaded query={standing} rows={1}>
          {({ overlap }) => (
            <form
              key={String(overlap)}
              onSubmit={submitOverlap}
              className="flex flex-wrap items-end gap-3 [&>div]:flex-1"
            >
              <OverlapField overlap={overlap} />
              <Button type="submit" disabled={busy}>
                Save
              </Button>
            </form>
          )}
        </Loaded>
        <Loaded query={curators} rows={2}>
          {({ curators: all }) => (
            <Table
              caption="Curators"
              stack
              rows={all}
              keyOf={({ curator }) => curator}
              empty={
                <p className="text-sm text-quiet">Only you curate: nobody is named, and nobody elected.</p>
              }
              columns={[
                { heading: "Curator", cell: ({ curator }) => <Address value={curator} /> },
                {
                  heading: "Since",
                  cell: ({ named, electedUntil }) => (
                    <>
                      {named && "named"}
                      {named && electedUntil !== null && ", "}
                      {electedUntil !== null && (
                        <>
                          elected, the term ends <When ms={electedUntil * 1_000} />
                        </>
                      )}
                    </>
                  ),
                },
                {
                  heading: "Change",
                  numeric: true,
                  cell: ({ curator, named }) =>
                    named && (
                      <Button
                        size="small"
                        variant="danger"
                        disabled={busy}
                        aria-label={`Remove ${curator}`}
                        onClick={() =>
                          act(async () => {
                            await name(curator, false);
                            return `${short(curator)} curates no more.`;
                          })
                        }
                      >
                        Remove
                      </Button>
                    ),
                },
              ]}
            />
          )}
        </Loaded>
        <form onSubmit={submitCurators} className="flex flex-wrap items-end gap-3">
          <TextField
            label="Name a curator"
            name="curators"
            required
            placeholder="0x…"
            className="min-w-56 flex-1"
          />
          <Button type="submit" disabled={busy}>
            {busy ? "Writing on chain …" : "Name on chain"}
          </Button>
        </form>
        {failure}
        <Elections
          datanetId={datanetId}
          versions={versions}
          allowed={curators.data?.electionsAllowed === true}
        />
      </div>
    </Card>
  );
}

/** Letting contributors elect, and stopping to. */
function Elections({
  datanetId,
  versions,
  allowed,
}: {
  datanetId: string;
  versions: number;
  allowed: boolean;
}) {
  const elections = useQuery(electionsQuery(datanetId));
  const { act, busy, failure } = useAct();
  const contract = elections.data?.signing.verifyingContract;
  return (
    <section aria-label="Elections" className="flex flex-col gap-3 border-t pt-4">
      <h3 className="text-sm font-semibold">Let contributors elect a curator</h3>
      {versions === 0 ? (
        <p className="text-sm text-quiet">
          Each example of a published version is a vote: publish a version first.
        </p>
      ) : (
        <OpenElection datanetId={datanetId} versions={versions} />
      )}
      {allowed && contract && (
        <div className="flex flex-wrap items-center gap-3">
          <Button
            size="small"
            variant="danger"
            disabled={busy}
            onClick={() =>
              act(async () => {
                const path = { datanetId, curator: contract };
                await ask(
                  api.PUT("/v1/datanets/{datanetId}/curators/{curator}", {
                    params: { path },
                    body: { allowed: false },
                  }),
                );
                return "Whoever was elected curates no more.";
              })
            }
          >
            End all elected terms
          </Button>
          <p className="text-sm text-quiet">Opening an election allows them again.</p>
        </div>
      )}
      {failure}
    </section>
  );
}
