/** The thread of {@link readHeld}: reads on when it is asked to, so that no more than a batch is ever waiting. */
import { parentPort, workerData } from "node:worker_threads";
import { readDocx } from "./docx.ts";
import type { HeldReply, HeldTask } from "./held.ts";
import { readParquet } from "./parquet.ts";
import { readPdf } from "./pdf.ts";
import { type BlockItem, type RecordItem, UnreadableError } from "./source.ts";

const batchItemsMax = 500;

const task = workerData as HeldTask;
const items = reader(task);

function reader({ format, file, content, limits }: HeldTask): AsyncGenerator<RecordItem | BlockItem> {
  if (format === "parquet") return readParquet(file, content, limits);
  if (!("bytes" in content)) throw new TypeError(`${format} is read from bytes.`);
  return format === "pdf" ? readPdf(file, content.bytes, limits) : readDocx(file, content.bytes, limits);
}

async function next(): Promise<HeldReply> {
  const batch: (RecordItem | BlockItem)[] = [];
  try {
    while (batch.length < batchItemsMax) {
      const found = await items.next();
      if (found.done) return { items: batch, done: true };
      batch.push(found.value);
    }
    return { items: batch, done: false };
  } catch (error) {
    const { code, message, place } = failureOf(error);
    failed = { failed: { code, message, place } };
    return batch.length > 0 ? { items: batch, done: false } : failed;
  }
}

/** Whatever a library throws, a stack that is too deep included, is about the file. */
function failureOf(error: unknown): UnreadableError {
  if (error instanceof UnreadableError) return error;
  const { message } = error as Error;
  return new UnreadableError(`broken-${task.format}`, `The file cannot be read: ${message}.`);
}

let failed: HeldReply | undefined;

parentPort?.on("message", async () => parentPort?.postMessage(failed ?? (await next())));
