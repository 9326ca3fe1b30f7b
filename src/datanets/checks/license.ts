import { sourceConflicts } from "../license-mix.ts";
import type { Check } from "./verdict.ts";

/**
 * Whether the licence that a contributor says the texts come under allows to give them under the Datanet's. It is one statement for all rows, so that every
 * row has the same finding.
 *
 * @param source SPDX expression; without one there is nothing to check
 * @throws DatanetError `unknown-license`
 */
export function licenseCheck(source: string | undefined, datanetLicense: string): Check {
  const conflicts = source === undefined ? [] : sourceConflicts(source, datanetLicense);
  const finding =
    conflicts.length === 0
      ? undefined
      : {
          message: `It comes under ${source}: ${conflicts.map(({ message }) => message).join(" ")}`,
          details: { source, conflicts: conflicts.map(({ kind, licenses }) => ({ kind, licenses })) },
        };
  return { name: "license", run: async (rows) => rows.map(() => finding) };
}
