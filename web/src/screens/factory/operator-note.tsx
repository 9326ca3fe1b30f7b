import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { Snippet } from "../../components/snippet.tsx";
import { cn } from "../../lib/cn.ts";
import { sessionKey, useSession } from "../../wallet/session.ts";

/** How often who waits to be admitted asks the node whether it was, milliseconds. */
const asksEvery = 5_000;

/** Says who may start and stop jobs, to who may not; goes by itself once the account is admitted. */
export function OperatorNote() {
  const session = useSession();
  const queries = useQueryClient();
  const waits = session?.operator === false;
  useEffect(() => {
    if (!waits) return;
    const timer = setInterval(() => queries.invalidateQueries({ queryKey: sessionKey }), asksEvery);
    return () => clearInterval(timer);
  }, [waits, queries]);
  if (session?.operator) return null;
  return (
    // Most who come may only look: the note has its place before the node has said so.
    <div
      role="status"
      className={cn(
        "flex flex-col gap-3 rounded-lg border border-dashed p-4 text-sm text-quiet",
        session === undefined && "invisible",
      )}
    >
      <p>
        {!session
          ? "Sign in as the operator to estimate, start and stop jobs here. Everybody may look."
          : "The account that is signed in is not an operator of this node: it may look, and not start or stop jobs. Whoever runs the node admits it with this command; the page follows by itself."}
      </p>
      {session && (
        <Snippet label="To be run beside the node" text={`./openledger operator admit ${session.address}`} />
      )}
    </div>
  );
}
