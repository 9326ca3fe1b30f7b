import { useNavigate } from "@tanstack/react-router";
import { SearchIcon } from "lucide-react";
import { type FormEvent, useState } from "react";
import { api, ask } from "../../api/client.ts";
import type { Schema } from "../../api/types.ts";
import { Failure } from "../../components/states.tsx";
import { Button } from "../../components/ui/button.tsx";

type Hit = Schema<"ExplorerHit">;

/** Where a hit of the search leads. */
function placeOf(hit: Hit): string {
  if (hit.kind === "block") return `/explorer/blocks/${hit.number}`;
  if (hit.kind === "transaction") return `/explorer/transactions/${hit.hash}`;
  if (hit.kind === "account" || hit.kind === "contract") return `/explorer/accounts/${hit.address}`;
  return `/explorer/transactions/${hit.transaction}`;
}

const nameOf = (hit: Hit): string =>
  hit.kind === "block"
    ? `Block ${hit.number}`
    : hit.kind === "transaction"
      ? `Transaction ${hit.hash}`
      : hit.kind === "account" || hit.kind === "contract"
        ? `${hit.kind === "contract" ? "Contract" : "Account"} ${hit.address}`
        : `${hit.name} (${hit.event})`;

/** Finds blocks, transactions, accounts, contracts, receipts and names; one hit is opened at once. */
export function Search() {
  const navigate = useNavigate();
  const [hits, setHits] = useState<readonly Hit[]>();
  const [error, setError] = useState<unknown>();

  async function search(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const q = String(new FormData(event.currentTarget).get("q")).trim();
    setError(undefined);
    setHits(undefined);
    if (q === "") return;
    try {
      const { results } = await ask(api.GET("/v1/explorer/search", { params: { query: { q } } }));
      if (results.length === 1 && results[0]) return navigate({ to: placeOf(results[0]) });
      if (results.length === 0 && /^0x[0-9a-f]{64}$/i.test(q)) {
        const { response } = await api.GET("/v1/receipts/{receiptId}", {
          params: { path: { receiptId: q.toLowerCase() } },
        });
        if (response.ok) return navigate({ to: `/explorer/receipts/${q.toLowerCase()}` });
      }
      setHits(results);
    } catch (failure) {
      setError(failure);
    }
  }

  return (
    <search className="flex flex-col gap-2">
      <form onSubmit={search} className="flex gap-2">
        <input
          name="q"
          aria-label="Search the chain"
          placeholder="Block, transaction, address, receipt, or part of a name"
          className="h-10 min-w-0 flex-1 rounded-md border bg-surface px-3"
          maxLength={200}
        />
        <Button type="submit" variant="primary" className="h-10">
          <SearchIcon /> Search
        </Button>
      </form>
      {error !== undefined && <Failure error={error} />}
      {hits?.length === 0 && (
        <p role="status" className="text-sm text-quiet">
          Nothing on this chain is called so. A hash has 64 hex digits after 0x, an address 40.
        </p>
      )}
      {hits !== undefined && hits.length > 1 && (
        <ul className="rounded-md border bg-surface p-2 text-sm">
          {hits.map((hit) => (
            <li key={`${placeOf(hit)} ${nameOf(hit)}`}>
              <Button
                variant="link"
                className="max-w-full truncate"
                onClick={() => navigate({ to: placeOf(hit) })}
              >
                {nameOf(hit)}
              </Button>
            </li>
          ))}
        </ul>
      )}
    </search>
  );
}
