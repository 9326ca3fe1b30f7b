/** Reads a file of JSON Lines that is made as it is read, and puts every row through the checks that look at one row; alone in a process. */
import { checkRow, convert, rowChecks, rulesSchema } from "../../src/datanets/index.ts";
import { exampleDigest } from "../../src/protocol/index.ts";
import { serveChild } from "../common/child.ts";
import { textsOf } from "./material.ts";

export type Read = {
  rows: number;
  bytes: number;
  refused: number;
  noted: number;
  cpuSeconds: number;
  rssMiB: number;
};

const chunkBytes = 256 * 1024;
const rowsAtOnce = 500;
/** Characters of a row: an abstract, a page of a document. */
const rowCharacters = 2_000;

/** Texts of that length, of which each begins elsewhere among those of the folder. */
function pages(texts: readonly string[]): string[] {
  const all = texts.join(" ");
  return Array.from({ length: Math.floor(all.length / rowCharacters) }, (_, i) =>
    all.slice(i * rowCharacters, (i + 1) * rowCharacters).toWellFormed(),
  );
}

/** The texts over and over, each time under another number, until there are so many bytes. */
async function* jsonLines(texts: readonly string[], bytes: number): AsyncGenerator<Uint8Array> {
  let made = 0;
  let lines = "";
  for (let n = 0; made < bytes; n++) {
    const text = texts[n % texts.length] as string;
    const middle = text.length >> 1;
    lines += `${JSON.stringify({ prompt: `${n}: ${text.slice(0, middle)}`, completion: ` ${text.slice(middle)}` })}\n`;
    if (lines.length < chunkBytes) continue;
    const chunk = Buffer.from(lines);
    made += chunk.length;
    lines = "";
    yield chunk;
  }
}

async function read({ folder, bytes }: { folder: string; bytes: number }): Promise<Read> {
  const texts = pages(textsOf(folder));
  const checks = await rowChecks(rulesSchema.parse({}));
  const started = process.cpuUsage();
  const found = { rows: 0, refused: 0, noted: 0 };
  let batch: ReturnType<typeof checkRow>[] = [];
  const look = async () => {
    for (const check of checks) for (const finding of await check.run(batch)) if (finding) found.noted++;
    batch = [];
  };
  for await (const row of convert({ name: "rows.jsonl", chunks: jsonLines(texts, bytes) })) {
    found.rows++;
    if ("refused" in row) found.refused++;
    else batch.push(checkRow({ line: found.rows, digest: exampleDigest(row.example), example: row.example }));
    if (batch.length === rowsAtOnce) await look();
  }
  await look();
  const { user, system } = process.cpuUsage(started);
  return {
    ...found,
    bytes,
    cpuSeconds: (user + system) / 1e6,
    rssMiB: Math.round(process.resourceUsage().maxRSS / 1024),
  };
}

const methods = { read };
export type ReadingMethods = typeof methods;
serveChild(methods);
