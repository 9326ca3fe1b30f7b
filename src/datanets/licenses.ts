import { DatanetError } from "./errors.ts";

/** A licence that a Datanet may carry. The facts are for people choosing; the licence's text decides. */
export type License = {
  /** SPDX identifier. */
  readonly id: string;
  readonly name: string;
  /** Whether it allows commercial use. */
  readonly commercialUse: boolean;
  /** Whether adapted works must carry the same licence. */
  readonly shareAlike: boolean;
};

const license = (id: string, name: string, commercialUse = true, shareAlike = false): License => ({
  id,
  name,
  commercialUse,
  shareAlike,
});

/**
 * The licences a Datanet may choose: SPDX identifiers (spdx.org/licenses) that are used for data or texts and let others adapt
 * them, since training makes something new of them. A licence without derivatives is missing on purpose.
 */
export const licenses: readonly License[] = [
  license("CC0-1.0", "Creative Commons Zero 1.0"),
  license("CC-BY-4.0", "Creative Commons Attribution 4.0"),
  license("CC-BY-SA-4.0", "Creative Commons Attribution ShareAlike 4.0", true, true),
  license("CC-BY-NC-4.0", "Creative Commons Attribution NonCommercial 4.0", false),
  license("CC-BY-NC-SA-4.0", "Creative Commons Attribution NonCommercial ShareAlike 4.0", false, true),
  license("CC-BY-3.0", "Creative Commons Attribution 3.0"),
  license("CC-BY-SA-3.0", "Creative Commons Attribution ShareAlike 3.0", true, true),
  license("PDDL-1.0", "Open Data Commons Public Domain Dedication and License 1.0"),
  license("ODC-By-1.0", "Open Data Commons Attribution License 1.0"),
  license("ODbL-1.0", "Open Data Commons Open Database License 1.0", true, true),
  license("CDLA-Permissive-1.0", "Community Data License Agreement Permissive 1.0"),
  license("CDLA-Permissive-2.0", "Community Data License Agreement Permissive 2.0"),
  license("CDLA-Sharing-1.0", "Community Data License Agreement Sharing 1.0", true, true),
  license("O-UDA-1.0", "Open Use of Data Agreement 1.0"),
  license("C-UDA-1.0", "Computational Use of Data Agreement 1.0"),
  license("OGL-UK-3.0", "Open Government Licence 3.0"),
  license("etalab-2.0", "Etalab Open License 2.0"),
  license("DL-DE-BY-2.0", "Data licence Germany, attribution, version 2.0"),
  license("DL-DE-ZERO-2.0", "Data licence Germany, zero, version 2.0"),
  license("NLOD-2.0", "Norwegian Licence for Open Government Data 2.0"),
  license("MIT", "MIT License"),
  license("MIT-0", "MIT No Attribution"),
  license("Apache-2.0", "Apache License 2.0"),
  license("BSD-2-Clause", "BSD 2-Clause License"),
  license("BSD-3-Clause", "BSD 3-Clause License"),
  license("0BSD", "BSD Zero Clause License"),
  license("ISC", "ISC License"),
  license("Unlicense", "The Unlicense"),
  license("MPL-2.0", "Mozilla Public License 2.0", true, true),
  license("GPL-3.0-only", "GNU General Public License 3.0 only", true, true),
  license("AGPL-3.0-only", "GNU Affero General Public License 3.0 only", true, true),
  license("GFDL-1.3-only", "GNU Free Documentation License 1.3 only", true, true),
];

/** @throws DatanetError `unknown-license`, naming the identifiers that are known. */
export function findLicense(id: string): License {
  const found = licenses.find((known) => known.id === id);
  if (found) return found;
  throw new DatanetError(
    "unknown-license",
    `"${id}" is not a licence a Datanet may carry. Expected one of: ${licenses.map((known) => known.id).join(", ")}.`,
  );
}
