import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { Snippet } from "../components/snippet.tsx";
import { Failure } from "../components/states.tsx";
import { Button } from "../components/ui/button.tsx";
import { cn } from "../lib/cn.ts";
import { NeedsWallet } from "./needs-wallet.tsx";
import { sessionKey, signIn, useSession } from "./session.ts";
import { useAddress } from "./wallet.ts";

/** How often who waits to be admitted asks the node whether it was, milliseconds. */
const asksEvery = 5_000;

type Props = {
  /** What is done in the operator's name here: "create a Datanet". */
  doing: string;
  /** What others may do here: a sentence. */
  others?: string;
};

/** Says to who may not act in the operator's name what needs it here, and how one comes to it; goes by itself once the account is admitted. */
export function OperatorNote({ doing, others }: Props) {
  const session = useSession();
  const address = useAddress();
  const queries = useQueryClient();
  const signing = useMutation({ mutationFn: () => signIn(address as `0x${string}`) });
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
        {session
          ? `Only the operator may ${doing}, and the account that is signed in is not one of this node's operators.`
          : `Only the operator may ${doing}: sign in with an account that this node's operator has admitted.`}
        {others && ` ${others}`}
        {session &&
          " Whoever runs the node admits this account with the command below; the page follows by itself."}
      </p>
      {session ? (
        <Snippet label="To be run beside the node" text={`./openledger operator admit ${session.address}`} />
      ) : (
        <NeedsWallet why="A signature says who you are. It costs nothing.">
          <Button variant="primary" disabled={signing.isPending} onClick={() => signing.mutate()}>
            Sign in to the node
          </Button>
        </NeedsWallet>
      )}
      {signing.error && <Failure error={signing.error} />}
    </div>
  );
}
