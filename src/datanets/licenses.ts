import { DatanetError } from "./errors.ts";

/** What a licence asks and allows. The facts are for people choosing; the licence's text decides. */
export type License = {
  /** SPDX identifier. */
  readonly id: string;
  readonly name: string;
  /** Whether authors must be named, or the licence's notice kept. */
  readonly attribution: boolean;
  /** Whether it allows commercial use. */
  readonly commercialUse: boolean;
  /** Whether adapted works must carry the same licence. */
  readonly shareAlike: boolean;
  /** Whether it allows adapted works; what is made of texts by training is one. */
  readonly derivatives: boolean;
};

type Terms = Partial<Omit<License, "id" | "name">>;

const license = (id: string, name: string, terms: Terms = {}): License => ({
  id,
  name,
  attribution: true,
  commercialUse: true,
  shareAlike: false,
  derivatives: true,
  ...terms,
});
const free: Terms = { attribution: false };
const alike: Terms = { shareAlike: true };

/**
 * The licences a Datanet may choose: SPDX identifiers (spdx.org/licenses) that are used for data or texts and let others adapt
 * them, since training makes something new of them. A licence without derivatives is missing on purpose.
 */
export const licenses: readonly License[] = [
  license("CC0-1.0", "Creative Commons Zero 1.0", free),
  license("CC-BY-4.0", "Creative Commons Attribution 4.0"),
  license("CC-BY-SA-4.0", "Creative Commons Attribution ShareAlike 4.0", alike),
  license("CC-BY-NC-4.0", "Creative Commons Attribution NonCommercial 4.0", { commercialUse: false }),
  license("CC-BY-NC-SA-4.0", "Creative Commons Attribution NonCommercial ShareAlike 4.0", {
    commercialUse: false,
    shareAlike: true,
  }),
  license("CC-BY-3.0", "Creative Commons Attribution 3.0"),
  license("CC-BY-SA-3.0", "Creative Commons Attribution ShareAlike 3.0", alike),
  license("PDDL-1.0", "Open Data Commons Public Domain Dedication and License 1.0", free),
  license("ODC-By-1.0", "Open Data Commons Attribution License 1.0"),
  license("ODbL-1.0", "Open Data Commons Open Database License 1.0", alike),
  license("CDLA-Permissive-1.0", "Community Data License Agreement Permissive 1.0"),
  license("CDLA-Permissive-2.0", "Community Data License Agreement Permissive 2.0"),
  license("CDLA-Sharing-1.0", "Community Data License Agreement Sharing 1.0", alike),
  license("O-UDA-1.0", "Open Use of Data Agreement 1.0"),
  license("C-UDA-1.0", "Computational Use of Data Agreement 1.0"),
  license("OGL-UK-3.0", "Open Government Licence 3.0"),
  license("etalab-2.0", "Etalab Open License 2.0"),
  license("DL-DE-BY-2.0", "Data licence Germany, attribution, version 2.0"),
  license("DL-DE-ZERO-2.0", "Data licence Germany, zero, version 2.0", free),
  license("NLOD-2.0", "Norwegian Licence for Open Government Data 2.0"),
  license("MIT", "MIT License"),
  license("MIT-0", "MIT No Attribution", free),
  license("Apache-2.0", "Apache License 2.0"),
  license("BSD-2-Clause", "BSD 2-Clause License"),
  license("BSD-3-Clause", "BSD 3-Clause License"),
  license("0BSD", "BSD Zero Clause License", free),
  license("ISC", "ISC License"),
  license("Unlicense", "The Unlicense", free),
  license("MPL-2.0", "Mozilla Public License 2.0", alike),
  license("GPL-3.0-only", "GNU General Public License 3.0 only", alike),
  license("AGPL-3.0-only", "GNU Affero General Public License 3.0 only", alike),
  license("GFDL-1.3-only", "GNU Free Documentation License 1.3 only", alike),
];

/** Licences that texts come under beside those a Datanet may carry and Creative Commons', whose names tell their terms. */
const foreign: readonly License[] = [
  license("GPL-2.0-only", "GNU General Public License 2.0 only", alike),
  license("GPL-2.0-or-later", "GNU General Public License 2.0 or later", alike),
  license("GPL-3.0-or-later", "GNU General Public License 3.0 or later", alike),
  license("LGPL-2.1-or-later", "GNU Lesser General Public License 2.1 or later", alike),
  license("LGPL-3.0-or-later", "GNU Lesser General Public License 3.0 or later", alike),
  license("AGPL-3.0-or-later", "GNU Affero General Public License 3.0 or later", alike),
  license("GFDL-1.2-only", "GNU Free Documentation License 1.2 only", alike),
  license("GFDL-1.3-or-later", "GNU Free Documentation License 1.3 or later", alike),
  license("EUPL-1.2", "European Union Public License 1.2", alike),
  license("OGL-UK-2.0", "Open Government Licence 2.0"),
  license("CC-PDDC", "Creative Commons Public Domain Dedication and Certification", free),
  license("Zlib", "zlib License"),
  license("BSL-1.0", "Boost Software License 1.0"),
  license("Artistic-2.0", "Artistic License 2.0"),
];

const known = new Map([...foreign, ...licenses].map((each) => [each.id, each]));
const creativeCommons = /^CC-BY(-NC)?(-SA|-ND)?-[1-4]\.\d(?:-[A-Z]{2,3})?$/;

/** What is known about a licence, whether or not a Datanet may carry it; undefined of one whose terms are not known here. */
export function termsOf(id: string): License | undefined {
  const found = known.get(id);
  if (found) return found;
  const [whole, noncommercial, kind] = creativeCommons.exec(id) ?? [];
  return whole === undefined
    ? undefined
    : license(id, `Creative Commons (${id})`, {
        commercialUse: noncommercial === undefined,
        shareAlike: kind === "-SA",
        derivatives: kind !== "-ND",
      });
}

/** @throws DatanetError `unknown-license`, naming the identifiers that are known. */
export function findLicense(id: string): License {
  const found = licenses.find((known) => known.id === id);
  if (found) return found;
  throw new DatanetError(
    "unknown-license",
    `"${id}" is not a licence a Datanet may carry. Expected one of: ${licenses.map((known) => known.id).join(", ")}.`,
  );
}
