import { z } from "zod";
import {
  addressSchema,
  type Balance,
  type BatchContent,
  bytesSchema,
  type Commitment,
  type Hex,
  type JournalLine,
  type OpenedReceipt,
  receiptSchema,
  uint32Schema,
  weiSchema,
} from "../protocol/index.ts";
import { SettlementError } from "./errors.ts";

/**
 * A batch's content as it is published: JSON Lines, so that it can be written and read without ever being whole in memory.
 * One header; then each receipt opened, each line of the journal, each balance, and each balance of the batch before.
 */
export type PublishedContent = Omit<BatchContent, "receipts"> & {
  readonly receipts: readonly SignedOpening[];
};

/** A receipt opened, with the attester's signature. */
export type SignedOpening = OpenedReceipt & { readonly signature: Hex };

export type ContentHeader = z.output<typeof headerSchema>;

const count = z.int().min(0);
const headerSchema = z.strictObject({
  schema: z.literal("openledger/batch/2"),
  chainId: z.int(),
  ledger: addressSchema,
  attester: addressSchema,
  number: z.int().min(0),
  receipts: count,
  journal: count,
  balances: count,
  previousBalances: count,
});

const receiptLine = z.strictObject({
  receipt: receiptSchema,
  signature: bytesSchema(65, 65),
  query: bytesSchema(0, 4_096),
  scores: bytesSchema(0, 4_096),
  payments: z.array(z.strictObject({ payee: addressSchema, amount: weiSchema })).max(4_096),
});
const journalLine = z.tuple([addressSchema, uint32Schema, uint32Schema, weiSchema, weiSchema]);
const balanceLine = z.tuple([addressSchema, weiSchema, weiSchema]);

/** How much of a stranger's batch is read. A batch beyond this is left to whoever has more room, and that is said. */
const contentLimits = {
  bytes: 256 * 1_024 * 1_024,
  lineBytes: 1_024 * 1_024,
  receipts: 16_384,
  journal: 1_048_576,
  balances: 1_048_576,
} as const;

/** The first line. */
export function headerLine(header: Omit<ContentHeader, "schema">): string {
  return line({ schema: "openledger/batch/2", ...header });
}

export function receiptLineOf(opening: SignedOpening): string {
  const { receipt, signature, query, scores, payments } = opening;
  return line(z.encode(receiptLine, { receipt, signature, query, scores, payments: [...payments] }));
}

export function journalLineOf({
  payee,
  receiptIndex,
  paymentIndex,
  amount,
  runningSum,
}: JournalLine): string {
  return line([payee, receiptIndex, paymentIndex, amount.toString(), runningSum.toString()]);
}

export function balanceLineOf({ payee, credit, cumulative }: Balance): string {
  return line([payee, credit.toString(), cumulative.toString()]);
}

/** All lines, one after the other. */
export function* contentLines(
  header: Pick<ContentHeader, "chainId" | "ledger" | "attester" | "number">,
  content: PublishedContent,
): Generator<string> {
  const { receipts, journal, balances, previousBalances } = content;
  const counts = {
    receipts: receipts.length,
    journal: journal.length,
    balances: balances.length,
    previousBalances: previousBalances.length,
  };
  yield headerLine({ ...header, ...counts });
  for (const one of receipts) yield receiptLineOf(one);
  for (const one of journal) yield journalLineOf(one);
  for (const one of balances) yield balanceLineOf(one);
  for (const one of previousBalances) yield balanceLineOf(one);
}

function line(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}

/** What the chain says of the batch that is to be read: nothing longer is read. */
export type Expected = Record<
  "receipts" | "journal" | "balances" | "previousBalances",
  Pick<Commitment, "count">
>;

/**
 * Reads a stranger's content within the limits. That it is what the roots stand for is for `openBatch` to say.
 *
 * @throws SettlementError `bad-content` for content that is not of this form, or of other counts than the chain has
 */
export async function readContent(
  source: AsyncIterable<Uint8Array>,
  expected: Expected,
): Promise<PublishedContent> {
  for (const [list, most] of Object.entries({ ...contentLimits, previousBalances: contentLimits.balances }))
    if (list in expected && expected[list as keyof Expected].count > most)
      throw bad(
        `the batch has ${expected[list as keyof Expected].count} ${list}; at most ${most} are read here`,
      );
  const lines = linesOf(source);
  const next = async <T extends z.ZodType>(schema: T, what: string): Promise<z.output<T>> => {
    const read = await lines.next();
    if (read.done) throw bad(`it ends before ${what}`);
    try {
      return z.decode(schema, JSON.parse(read.value) as z.input<T>);
    } catch {
      throw bad(`${what} is not of the form that docs/protocol.md gives`);
    }
  };
  const header = await next(headerSchema, "the header");
  for (const list of ["receipts", "journal", "balances", "previousBalances"] as const)
    if (header[list] !== expected[list].count)
      throw bad(`it has ${header[list]} ${list}; the chain has ${expected[list].count}`);
  const receipts: SignedOpening[] = [];
  for (let i = 0; i < header.receipts; i++) receipts.push(await next(receiptLine, `receipt ${i}`));
  const journal: JournalLine[] = [];
  for (let i = 0; i < header.journal; i++) {
    const [payee, receiptIndex, paymentIndex, amount, runningSum] = await next(
      journalLine,
      `line ${i} of the journal`,
    );
    journal.push({ payee, receiptIndex, paymentIndex, amount, runningSum });
  }
  const readBalances = async (length: number, what: string) => {
    const list: Balance[] = [];
    for (let i = 0; i < length; i++) {
      const [payee, credit, cumulative] = await next(balanceLine, `${what} ${i}`);
      list.push({ payee, credit, cumulative });
    }
    return list;
  };
  const balances = await readBalances(header.balances, "balance");
  const previousBalances = await readBalances(header.previousBalances, "previous balance");
  if (!(await lines.next()).done) throw bad("it goes on after its last balance");
  return { receipts, journal, balances, previousBalances };
}

/** How many balances of the batch before a kept content holds. */
export function previousBalancesIn(bytes: Uint8Array): number {
  const text = new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(10)));
  return headerSchema.parse(JSON.parse(text)).previousBalances;
}

async function* linesOf(source: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let rest = "";
  let bytes = 0;
  for await (const chunk of source) {
    bytes += chunk.length;
    if (bytes > contentLimits.bytes) throw bad(`it is longer than ${contentLimits.bytes} bytes`);
    rest += decoder.decode(chunk, { stream: true });
    let end = rest.indexOf("\n");
    let start = 0;
    for (; end !== -1; end = rest.indexOf("\n", start)) {
      yield rest.slice(start, end);
      start = end + 1;
    }
    rest = rest.slice(start);
    if (rest.length > contentLimits.lineBytes)
      throw bad(`a line is longer than ${contentLimits.lineBytes} bytes`);
  }
  if (rest !== "") throw bad("its last line has no end");
}

/**
 * A batch's content from the node that answers at `baseUrl`.
 *
 * @returns undefined where that node has no such batch
 * @throws SettlementError `bad-content` if the node does not answer as it should
 */
export async function contentFrom(
  baseUrl: string,
  attester: string,
  number: number,
): Promise<AsyncIterable<Uint8Array> | undefined> {
  const url = new URL(
    `v1/batches/${attester}/${number}/content`,
    baseUrl.endsWith("/") ? baseUrl : `${baseUrl}/`,
  );
  const response = await fetch(url, { signal: AbortSignal.timeout(fetchMs), redirect: "error" }).catch(
    (error: Error) => {
      throw bad(`${url} cannot be reached: ${error.message}`);
    },
  );
  if (response.status === 404) return undefined;
  if (!response.ok || response.body === null) throw bad(`${url} answers ${response.status}`);
  return response.body;
}

const fetchMs = 120_000;

function bad(why: string): SettlementError {
  return new SettlementError("bad-content", `The batch's content cannot be used: ${why}.`);
}
