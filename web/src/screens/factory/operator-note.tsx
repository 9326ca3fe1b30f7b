import { useSession } from "../../wallet/session.ts";

/** Says who may start and stop jobs, to who may not. */
export function OperatorNote() {
  const session = useSession();
  if (session === undefined || session?.operator) return null;
  return (
    <p role="status" className="rounded-lg border border-dashed p-4 text-sm text-quiet">
      {session === null
        ? "Sign in as the operator to estimate, start and stop jobs here. Everybody may look."
        : "The account that is signed in is not an operator of this node: it may look, and not start or stop jobs. The operator names others in “operators” of the node's configuration."}
    </p>
  );
}
