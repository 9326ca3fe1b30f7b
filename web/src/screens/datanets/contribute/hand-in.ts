/** From rows to a contribution: what would become of each, a consent to exactly these, and the sending. */
import type { Address, Hex } from "viem";
import { api, ask } from "../../../api/client.ts";
import { ownHeader, refusal } from "../../../api/refusal.ts";
import type { Schema } from "../../../api/types.ts";
import { signTypedData } from "../../../wallet/wallet.ts";
import { passHeaders, passTo } from "../pass.ts";
import type { Part } from "./convert.ts";
import { createLines } from "./progress-lines.ts";

export type Preview = Schema<"Preview">;
export type Report = Schema<"ContributionReport">;
export type Terms = { split: Schema<"Split">; mask: boolean; sourceLicense: string };
/** How far an upload is: its bytes as they are sent, then what the node does with them, stage by stage. */
export type Upload = { readonly label: string; readonly done: number; readonly total: number };
/** What an upload is called while its bytes are on their way. */
export const sending = "sending";

type OnUpload = (upload: Upload) => void;

const rowsBetweenPauses = 500;

const queryOf = ({ split, mask, sourceLicense }: Terms) =>
  new URLSearchParams({
    split,
    ...(mask && { mask: "true" }),
    ...(sourceLicense && { sourceLicense }),
  });

/** Sends lines, telling how far it is: of what is sent only an XMLHttpRequest tells. */
function post<T>(
  path: string,
  body: Blob,
  signal: AbortSignal,
  onUpload: OnUpload,
  headers: Readonly<Record<string, string>> = {},
): Promise<T> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const lines = createLines<T>();
    request.open("POST", path);
    request.setRequestHeader("content-type", "application/jsonl");
    request.setRequestHeader("accept", "application/x-ndjson, application/json");
    for (const [name, value] of Object.entries({ ...ownHeader, ...headers }))
      request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded, total }) => onUpload({ label: sending, done: loaded, total });
    request.onprogress = () => {
      for (const progress of lines.read(request.responseText)) onUpload(progress);
    };
    request.onload = () => {
      const { status, answer } = lines.end(request.responseText, request.status);
      if (status < 300 && answer !== undefined) return resolve(answer);
      reject(refusal(answer, status));
    };
    request.onerror = () => reject(new Error("The node does not answer. Is it running?"));
    request.onabort = () => reject(new DOMException("Stopped.", "AbortError"));
    signal.addEventListener("abort", () => request.abort(), { once: true });
    if (signal.aborted) return reject(new DOMException("Stopped.", "AbortError"));
    request.send(body);
  });
}

/** What would become of each row of a part; stores nothing. A gated Datanet compares them with its own for who holds a pass. */
export const previewPart = (
  datanetId: string,
  part: Part,
  terms: Terms,
  signal: AbortSignal,
  onUpload: OnUpload = () => {},
): Promise<Preview> =>
  post(
    `/v1/datanets/${datanetId}/preview?${queryOf(terms)}`,
    part.body,
    signal,
    onUpload,
    passHeaders(passTo(datanetId)),
  );

/**
 * What is signed must be what was read and shown, whatever the node says: every digest is computed here as well.
 *
 * @throws Error when the preview is of something else
 */
export async function assertSameRows({ rows }: Part, preview: Preview): Promise<void> {
  const { exampleDigest, examplesDigest } = await import("../../../../../src/protocol/index.ts");
  const digests: Hex[] = [];
  for (const [at, row] of rows.entries()) {
    if (at % rowsBetweenPauses === 0) await new Promise((resolve) => setTimeout(resolve));
    const shown = preview.rows[at]?.masked ?? row.example;
    digests.push(exampleDigest(shown));
  }
  if (rows.length === preview.exampleCount && examplesDigest(digests) === preview.examplesDigest) return;
  throw new Error("The node asked for a signature over other rows than were read. Nothing was signed.");
}

/** Signs a consent to exactly a part's rows, commits to them first where curators will see them, and hands them in. */
export async function handIn(
  datanetId: string,
  contributor: Address,
  part: Part,
  preview: Preview,
  terms: Terms,
  {
    signal,
    onStage,
    onUpload,
  }: { signal: AbortSignal; onStage: (stage: string) => void; onUpload: OnUpload },
): Promise<Report> {
  onStage("Checking what is to be signed");
  await assertSameRows(part, preview);
  const { domain, signConsent } = await import("../../../../../src/protocol/index.ts");
  const { chainId, verifyingContract } = preview.signing;
  const registry = domain(chainId, verifyingContract as Address);
  const consent = {
    datanetId: BigInt(datanetId),
    contributor,
    examplesDigest: preview.examplesDigest as Hex,
    exampleCount: preview.exampleCount,
    license: preview.license,
    signedAt: BigInt(Math.floor(Date.now() / 1_000)),
  };
  onStage("Waiting for your signature");
  const signature = await signConsent(registry, consent, (data) => signTypedData(data as never));
  const salt = await commitFirst(registry, consent, onStage);
  signal.throwIfAborted();
  onStage("Sending");
  const signed = queryOf({ ...terms, mask: preview.mask });
  const { datanetId: _, signedAt, exampleCount, ...fields } = consent;
  const all = { ...fields, exampleCount: String(exampleCount), signedAt: String(signedAt), signature };
  for (const [name, value] of Object.entries(all)) signed.set(name, value);
  if (salt !== undefined) signed.set("salt", salt);
  return post(`/v1/datanets/${datanetId}/contributions?${signed}`, part.body, signal, onUpload);
}

type Committed = { datanetId: bigint; contributor: Address; examplesDigest: Hex };

/** Where rows are reviewed, has the node put a commitment to them on chain before anybody sees them. @returns its salt */
async function commitFirst(
  registry: ReturnType<typeof import("../../../../../src/protocol/index.ts").domain>,
  { datanetId, contributor, examplesDigest }: Committed,
  onStage: (stage: string) => void,
): Promise<Hex | undefined> {
  const path = { datanetId: String(datanetId) };
  const { overlap } = await ask(api.GET("/v1/datanets/{datanetId}/review", { params: { path } }));
  if (overlap === null) return undefined;
  const { contributionCommitment, signCommitmentRequest, toHex } = await import(
    "../../../../../src/protocol/index.ts"
  );
  const salt = toHex(crypto.getRandomValues(new Uint8Array(32)));
  const commitment = contributionCommitment(contributor, examplesDigest, salt);
  const request = { datanetId, commitment, contributor, signedAt: BigInt(Math.floor(Date.now() / 1_000)) };
  onStage("Waiting for your signature: a commitment, so that nobody can take your rows as theirs");
  const signature = await signCommitmentRequest(registry, request, (data) => signTypedData(data as never));
  onStage("Committing on chain");
  const body = { ...path, commitment, contributor, signedAt: String(request.signedAt), signature };
  await ask(api.POST("/v1/relays/commitments", { body: body as never }));
  return salt;
}
