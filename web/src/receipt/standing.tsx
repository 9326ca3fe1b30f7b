import { Badge } from "../components/ui/badge.tsx";
import { cn } from "../lib/cn.ts";

type Fact = { by: "proven" | "attested" | "neither"; fact: string; check: string };

/** What holds of a receipt or release, who says so, and how to see for oneself. */
export function Standing({ standing }: { standing: readonly Fact[] }) {
  return (
    <>
      <ul className="flex flex-col gap-3 text-sm">
        {standing.map(({ by, fact, check }) => (
          <li key={fact} className="grid gap-x-3 gap-y-1 sm:grid-cols-[6.5rem_minmax(0,1fr)]">
            <span>
              <Badge tone={by === "neither" ? "quiet" : "good"}>{by}</Badge>
            </span>
            <span>
              {/* A quantity of one letter is written as the protocol writes it. */}
              <span className={cn("block", !/^.\b/.test(fact) && "first-letter:uppercase")}>{fact}</span>
              <span className="block text-quiet first-letter:uppercase">{check}</span>
            </span>
          </li>
        ))}
      </ul>
      {standing.some(({ by }) => by === "neither") && (
        <p className="mt-3 text-sm text-quiet">
          “Neither”: somebody says so. Anyone can compute it again, and nothing on chain judges it.
        </p>
      )}
    </>
  );
}
