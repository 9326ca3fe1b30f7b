/**
 * What may be made of texts under several licences. Training on texts is taken for adapting them, the reading that asks most: authors are named,
 * share-alike is honoured, non-commercial stays so, and what must not be adapted is not trained on. No legal advice; the licences' texts decide.
 */
import parse from "spdx-expression-parse";
import { DatanetError } from "./errors.ts";
import { findLicense, type License, termsOf } from "./licenses.ts";

export type LicenseConflict = {
  /** What one licence asks and another does not allow. */
  readonly kind: "attribution" | "share-alike" | "non-commercial" | "no-derivatives" | "unknown-terms";
  readonly licenses: readonly string[];
  readonly message: string;
};

/**
 * Licences that an adaptation of share-alike texts may carry beside the texts' own: a later version of the same terms, and those that the licence
 * itself or its steward names (creativecommons.org/compatiblelicenses; MPL-2.0, section 1.12; GPL-3.0, section 13).
 */
const alsoInto: Readonly<Record<string, readonly string[]>> = {
  "CC-BY-SA-2.0": ["CC-BY-SA-3.0", "CC-BY-SA-4.0"],
  "CC-BY-SA-2.5": ["CC-BY-SA-3.0", "CC-BY-SA-4.0"],
  "CC-BY-SA-3.0": ["CC-BY-SA-4.0"],
  "CC-BY-SA-4.0": ["GPL-3.0-only"],
  "CC-BY-NC-SA-2.0": ["CC-BY-NC-SA-4.0"],
  "CC-BY-NC-SA-2.5": ["CC-BY-NC-SA-4.0"],
  "CC-BY-NC-SA-3.0": ["CC-BY-NC-SA-4.0"],
  "MPL-2.0": ["GPL-3.0-only", "AGPL-3.0-only"],
  "GPL-3.0-only": ["AGPL-3.0-only"],
  "GPL-2.0-or-later": ["GPL-3.0-only", "AGPL-3.0-only"],
  "GPL-3.0-or-later": ["GPL-3.0-only", "AGPL-3.0-only"],
  "LGPL-2.1-or-later": ["GPL-3.0-only", "AGPL-3.0-only"],
  "LGPL-3.0-or-later": ["GPL-3.0-only", "AGPL-3.0-only"],
  "AGPL-3.0-or-later": ["AGPL-3.0-only"],
  "GFDL-1.3-or-later": ["GFDL-1.3-only"],
  "EUPL-1.2": ["GPL-3.0-only", "AGPL-3.0-only", "MPL-2.0", "CC-BY-SA-3.0"],
};

const mayCarry = (license: License, carried: string) =>
  !license.shareAlike || license.id === carried || (alsoInto[license.id] ?? []).includes(carried);

/** What stands against giving texts under `from` on under `to`. */
function conflictsBetween(from: string, to: License): LicenseConflict[] {
  const terms = termsOf(from);
  const against = (kind: LicenseConflict["kind"], message: string): LicenseConflict => ({
    kind,
    licenses: [from, to.id],
    message,
  });
  if (terms === undefined)
    return [
      against(
        "unknown-terms",
        `The terms of ${from} are not known here: whether ${to.id} keeps them cannot be told.`,
      ),
    ];
  const found: LicenseConflict[] = [];
  if (!terms.derivatives)
    found.push(against("no-derivatives", `${from} allows no adapted works, and rows and models are such.`));
  if (!mayCarry(terms, to.id))
    found.push(against("share-alike", `${from} asks that adapted works carry ${from} too, not ${to.id}.`));
  if (!terms.commercialUse && to.commercialUse)
    found.push(against("non-commercial", `${from} allows no commercial use, ${to.id} does.`));
  if (terms.attribution && !to.attribution)
    found.push(
      against(
        "attribution",
        `${from} asks that its authors are named, ${to.id} lets everyone leave them out.`,
      ),
    );
  return found;
}

/**
 * What stands against giving texts that come under an SPDX expression under a Datanet's licence. Of `A OR B` the giver takes what fits; of `A AND B` both hold.
 *
 * @throws DatanetError `unknown-license` of what is no SPDX expression, or names a licence that SPDX does not list
 */
export function sourceConflicts(expression: string, datanetLicense: string): LicenseConflict[] {
  const to = findLicense(datanetLicense);
  const walk = (info: parse.Info): LicenseConflict[] => {
    if ("license" in info) return conflictsBetween(identifier(info), to);
    const [left, right] = [walk(info.left), walk(info.right)];
    if (info.conjunction === "and") return [...left, ...right];
    return left.length <= right.length ? left : right;
  };
  return walk(parseLicense(expression));
}

/** SPDX's older names for the same: `GPL-3.0` is `GPL-3.0-only`, `GPL-3.0+` is `GPL-3.0-or-later`. An exception only adds permissions. */
function identifier({ license, plus }: parse.LicenseInfo): string {
  if (!/^[AL]?GPL-|^GFDL-/.test(license) || /-(?:only|or-later)$/.test(license)) return license;
  return `${license}-${plus ? "or-later" : "only"}`;
}

const expressionMax = 256;

function parseLicense(expression: string): parse.Info {
  if (expression.length <= expressionMax) {
    try {
      return parse(expression);
    } catch {
      // Said below, in words that help.
    }
  }
  throw new DatanetError(
    "unknown-license",
    `"${expression.slice(0, 64)}" is no licence that SPDX lists, nor an expression of such. Expected an identifier of spdx.org/licenses, ` +
      `such as CC-BY-4.0, several joined by AND or OR, or LicenseRef- and a name for one that is not listed.`,
  );
}

/** What a release made of several Datanets may do. */
export type LicenseMix = {
  readonly licenses: readonly string[];
  /** Whether a release may be made at all. */
  readonly allowed: boolean;
  readonly commercialUse: boolean;
  /** Licences whose authors a release must name. */
  readonly attribution: readonly string[];
  /** Licences that a release may carry, where one asks for share-alike; null where none does. */
  readonly carry: readonly string[] | null;
  readonly conflicts: readonly LicenseConflict[];
};

/**
 * Mixes the licences of the Datanets a release is made of.
 *
 * @param ids SPDX identifiers, each a licence a Datanet may carry
 * @throws DatanetError `unknown-license`
 */
export function mixLicenses(ids: readonly string[]): LicenseMix {
  const distinct = [...new Set(ids)].map(findLicense);
  const commercialUse = distinct.every((license) => license.commercialUse);
  const alike = distinct.filter(({ shareAlike }) => shareAlike);
  const carried = (id: string) => alike.every((license) => mayCarry(license, id));
  const carry = alike.flatMap(({ id }) => [id, ...(alsoInto[id] ?? [])]).filter(carried);
  const conflicts: LicenseConflict[] = [];
  if (alike.length > 0 && carry.length === 0)
    conflicts.push({
      kind: "share-alike",
      licenses: alike.map(({ id }) => id),
      message: `${list(alike)} each ask that a release carries their own licence, and it cannot carry all of them. Leave one out.`,
    });
  const noncommercial = distinct.filter((license) => !license.commercialUse);
  const open = alike.filter((license) => license.commercialUse);
  if (noncommercial.length > 0 && open.length > 0)
    conflicts.push({
      kind: "non-commercial",
      licenses: [...noncommercial, ...open].map(({ id }) => id),
      message: `${list(noncommercial)} allows no commercial use, and ${list(open)} asks that a release restricts nothing beyond it. Leave one out.`,
    });
  return {
    licenses: distinct.map(({ id }) => id),
    allowed: conflicts.length === 0,
    commercialUse,
    attribution: distinct.filter(({ attribution }) => attribution).map(({ id }) => id),
    carry: alike.length === 0 ? null : [...new Set(carry)],
    conflicts,
  };
}

const list = (of: readonly License[]) => of.map(({ id }) => id).join(" and ");
