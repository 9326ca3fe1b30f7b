import { readFileSync } from "node:fs";
import { parseAudit } from "../protocol/index.ts";
import { CliError, exitCodes } from "./errors.ts";
import { cannotRead, writeText } from "./files.ts";
import { connect } from "./http.ts";

const fileBytesMax = 512 * 2 ** 20;

export type AuditSource = {
  /** Where to keep what is fetched. */
  readonly save?: string | undefined;
  /** With request, answer, tokens and the release's files. */
  readonly full?: boolean | undefined;
  /** The API key that paid; without one the operator asks. */
  readonly key?: string | undefined;
};

/** An audit file's JSON, or that of a receipt the running node has. */
export async function loadAudit(receipt: string, source: AuditSource = {}): Promise<unknown> {
  return /^0x[0-9a-fA-F]{64}$/.test(receipt) ? fetchAudit(receipt.toLowerCase(), source) : readAudit(receipt);
}

function readAudit(path: string): unknown {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
    if (bytes.length > fileBytesMax) throw new Error(`it has ${bytes.length} bytes, ${fileBytesMax} at most`);
  } catch (cause) {
    const { actual, expected = "an audit file" } = cannotRead(path, cause);
    throw new CliError(`Cannot read ${path}.`, {
      ...{ expected, ...(actual === undefined ? {} : { actual }) },
      fix: ["Give the path of an audit file, or a receipt's id: 0x and 64 hex digits."],
      exitCode: exitCodes.usage,
      cause,
    });
  }
  try {
    return parseAudit(bytes);
  } catch (cause) {
    throw new CliError(`${path} is not JSON: ${(cause as Error).message}`, {
      fix: ["./openledger receipt audit <id> --out <file> writes an audit file"],
      cause,
    });
  }
}

/** @throws CliError where the node does not have it, or gives the whole of it to others only */
export async function fetchAudit(
  id: string,
  { save, full = false, key = process.env.OPENLEDGER_API_KEY }: AuditSource,
): Promise<unknown> {
  const path = `/v1/receipts/${id}/audit${full ? "?full=true" : ""}`;
  const authorised = key ? { headers: { authorization: `Bearer ${key}` } } : { operator: true };
  const json = await connect().get<object>(path, full ? authorised : {});
  if (save !== undefined) writeText(save, JSON.stringify(json));
  return json;
}
