/** A version from another node that follows the same chain: believed only as far as the chain's digests go, which is to the last byte. */
import { z } from "zod";
import { canonicalJson, jsonDigest, textDigest } from "../protocol/index.ts";
import type { Blobs, Database } from "../store/index.ts";
import { cardSchema, recordDatanet } from "./datanet.ts";
import { DatanetError } from "./errors.ts";
import { readSummary, recordVersion, type VersionSummary } from "./publication.ts";
import type { RegisteredDatanet, Registry } from "./registry.ts";
import { type Ask, fetchVersion, openVersion } from "./remote-version.ts";
import type { Texts } from "./texts.ts";
import type { VersionContent } from "./version.ts";

type Parts = {
  database: Database;
  blobs: Blobs;
  texts: Pick<Texts, "put">;
  registry: Registry;
  now: () => number;
};

const cardBytesMax = 2 ** 20;

const foreign = (what: string, cause?: unknown) =>
  Object.assign(new DatanetError("bad-import", what), { cause });

/**
 * Keeps a copy of a version: its rows can be read, exported and trained on here. Imported again it changes nothing.
 *
 * @throws DatanetError `unknown-version` where the chain has none; `bad-import` where what the node gives is not it
 */
export async function importVersion(
  parts: Parts,
  ask: Ask,
  datanetId: bigint,
  version: number,
): Promise<VersionSummary & { created: boolean }> {
  const { database, blobs, texts, registry } = parts;
  const [onChain, registered] = await Promise.all([
    registry.datanet(datanetId),
    registry.version(datanetId, version),
  ]);
  if (onChain === undefined || registered === undefined)
    throw new DatanetError(
      "unknown-version",
      `The chain knows no version ${version} of Datanet ${datanetId}: only what is registered can be imported.`,
    );
  const known = await readSummary(database, datanetId, version).catch((error: unknown) => {
    if (!(error instanceof DatanetError)) throw error;
  });
  if (known !== undefined) return { ...known, created: false };
  const card = await cardOf(ask, onChain);
  const wanted = { datanetId: datanetId.toString(), version };
  let content: VersionContent;
  try {
    content = openVersion(await fetchVersion(ask, wanted, registered), { ...wanted, ...registered });
    const { manifest } = content;
    if (textDigest(manifest.license) !== registered.licenseDigest)
      throw new Error(`its licence is not the one on chain: ${manifest.license}`);
  } catch (error) {
    const why = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message;
    throw foreign(
      `The node does not give version ${version} of Datanet ${datanetId} as it stands on chain. ${why}`,
      error,
    );
  }
  const { manifest } = content;
  const lines = [...content.rows, ...content.heldout].map(({ example }) => `${canonicalJson(example)}\n`);
  const rowsDigest = await texts.put(datanetId, lines.join(""));
  const manifestDigest = await blobs.put(Buffer.from(canonicalJson(manifest), "utf8"));
  await recordDatanet(parts, datanetId, card, null);
  const created = await recordVersion(parts, manifest, {
    ...{ datanetId, version, manifestDigest, transactionHash: null, rowsDigest },
  });
  return { ...(await readSummary(database, datanetId, version)), created };
}

/** What a Datanet says about itself, of which the chain has the digest. */
async function cardOf(ask: Ask, { datanetId, cardDigest }: RegisteredDatanet) {
  const said = z
    .object(cardSchema.omit({ schema: true }).shape)
    .safeParse(await ask(`/v1/datanets/${datanetId}`, cardBytesMax));
  const card = said.success
    ? cardSchema.parse({ schema: "openledger/datanet-card/1", ...said.data })
    : undefined;
  if (card === undefined || jsonDigest(card) !== cardDigest)
    throw foreign(
      `The node does not describe Datanet ${datanetId} as the chain has it: expected a card of digest ${cardDigest}, got ` +
        `${card === undefined ? "none" : jsonDigest(card)}.`,
    );
  return card;
}
