import type { Schema } from "../api/types.ts";

type Bundle = Schema<"Receipt">["bundle"];

/** For what a payee is paid, in a receipt; `contributor` when by no other role. */
export function roleOf(payee: string, { terms }: Bundle): string {
  for (const [role, address] of Object.entries(terms.payees)) if (address === payee) return role;
  if (terms.datanets.some(({ owner }) => owner === payee)) return "Datanet owner";
  if (terms.datanets.some(({ pool }) => pool === payee)) return "common pool";
  return "contributor";
}
