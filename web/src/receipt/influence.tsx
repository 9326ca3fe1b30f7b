import { Address } from "../components/hash.tsx";
import { percent } from "../lib/format.ts";
import { influenceShares } from "./influence-shares.ts";

type Props = {
  scores: readonly { row: number; shareMillionths: number; errorMillionths: number | null }[];
  /** Payees of the release's rows, by row. */
  payees: readonly string[];
};

const clip = (share: number) => 100 * Math.min(1, Math.max(0, share));
const percentOf = (share: number) => percent(clip(share) / 100).replace(" %", "");

/** What influence pays each contributor, as bars; the line over a bar is where its end lies with 95 % confidence. */
export function Influence({ scores, payees }: Props) {
  const shares = influenceShares(scores, payees);
  if (shares.length === 0)
    return (
      <p className="text-sm text-quiet">
        Nobody's examples stand out from chance for this answer: the data's part goes to the common pools.
      </p>
    );
  return (
    <>
      <ul className="flex flex-col gap-3">
        {shares.map(({ contributor, share, error, rows }) => (
          <li key={contributor} className="grid gap-1">
            <div className="flex flex-wrap items-baseline justify-between gap-x-3 text-sm">
              <Address value={contributor} />
              <span
                title={`${rows === 1 ? "One row" : `${rows} rows`} of the pay index stand for this contributor`}
              >
                <span className="font-medium">{percent(share)}</span>{" "}
                <span className="text-quiet">
                  {error === null
                    ? "(no interval)"
                    : `(${percentOf(share - error)} to ${percentOf(share + error)})`}
                </span>
              </span>
            </div>
            <div aria-hidden className="relative h-3.5 rounded-sm bg-sunken">
              <div
                className="absolute inset-y-0 left-0 rounded-sm bg-accent"
                style={{ width: `${clip(share)}%` }}
              />
              {error !== null && (
                <div
                  className="absolute inset-y-0.5 border-x-2 border-text"
                  style={{ left: `${clip(share - error)}%`, right: `${100 - clip(share + error)}%` }}
                >
                  <div className="absolute inset-x-0 top-1/2 h-0.5 -translate-y-1/2 bg-text" />
                </div>
              )}
            </div>
          </li>
        ))}
      </ul>
      {shares.some(({ error }) => error !== null) && (
        <p className="text-xs text-quiet">
          The line over a bar: where its share lies with 95 % confidence, measured by training again without
          parts of the data.
        </p>
      )}
    </>
  );
}
