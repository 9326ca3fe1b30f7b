/** A version described as Croissant 1.1 (docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html): what loaders and dataset search read. */
import { createHash } from "node:crypto";
import type { Described } from "./described.ts";
import { exportColumns } from "./rows.ts";

/** The terms that are used here; the rest of the vocabulary is schema.org's. */
const context = {
  "@language": "en",
  "@vocab": "http://schema.org/",
  sc: "http://schema.org/",
  cr: "http://mlcommons.org/croissant/",
  dct: "http://purl.org/dc/terms/",
  citeAs: "cr:citeAs",
  column: "cr:column",
  conformsTo: "dct:conformsTo",
  dataType: { "@id": "cr:dataType", "@type": "@vocab" },
  extract: "cr:extract",
  field: "cr:field",
  fileObject: "cr:fileObject",
  isLiveDataset: "cr:isLiveDataset",
  jsonPath: "cr:jsonPath",
  recordSet: "cr:recordSet",
  source: "cr:source",
};

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** A file of the version, at an address that never gives anything else. */
export type ExportedFile = { readonly name: string; readonly mediaType: string; readonly bytes: Uint8Array };

/**
 * @param url where the version is described; files are at `${url}/${name}`
 * @param files the first is what fields are read from, column by column: Parquet
 */
export function croissant(described: Described, url: string, files: readonly ExportedFile[]): object {
  const { datanet, summary, manifest } = described;
  const [first] = files as [ExportedFile];
  return {
    "@context": context,
    "@type": "sc:Dataset",
    conformsTo: "http://mlcommons.org/croissant/1.1",
    name: datanet.name,
    description: datanet.description || datanet.name,
    url,
    license: `https://spdx.org/licenses/${manifest.license}`,
    // What changed is another major version: rows may have been taken back.
    version: `${summary.version}.0.0`,
    datePublished: new Date(summary.recordedAtMs).toISOString().slice(0, 10),
    keywords: [datanet.domain],
    isLiveDataset: false,
    creator: [...new Set(manifest.contributions.map(({ contributor }) => contributor))].map((address) => ({
      "@type": "sc:Person",
      name: address,
      identifier: address,
    })),
    publisher: { "@type": "sc:Person", name: datanet.owner, identifier: datanet.owner },
    citeAs: `OpenLedger Datanet ${datanet.datanetId}, version ${summary.version}, root ${manifest.root}, chain ${manifest.chainId}`,
    identifier: manifest.root,
    distribution: files.map(({ name, mediaType, bytes }) => ({
      "@type": "cr:FileObject",
      "@id": name,
      name,
      contentUrl: `${url}/${name}`,
      contentSize: `${bytes.length} B`,
      encodingFormat: mediaType,
      sha256: sha256(bytes),
    })),
    recordSet: [
      {
        "@type": "cr:RecordSet",
        "@id": "rows",
        name: "rows",
        description: `${summary.count} rows to train on and ${summary.heldoutCount} held out`,
        field: Object.entries(exportColumns).map(([name, description]) => ({
          "@type": "cr:Field",
          "@id": `rows/${name}`,
          name,
          description,
          dataType: "sc:Text",
          source: { fileObject: { "@id": first.name }, extract: { column: name } },
        })),
      },
    ],
  };
}
