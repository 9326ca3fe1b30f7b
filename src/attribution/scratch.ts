/** Matrices too large for memory, in temporary files: rows are written whole, and read a layer at a time or a row at a time. */
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LayerBlock } from "./influence.ts";

/** A matrix of float32 rows `[rows,p]` in a file, layer after layer and row after row within one. Zero where nothing was written. */
export type RowFile = {
  /** Writes whole rows `[count,p]` from number `first` on. */
  write(first: number, rows: Float32Array): void;
  /** One row `[p]`. */
  row(at: number): Float32Array;
  /** Rows' columns of one layer, `[count,w]`. */
  readLayer(layer: number, first: number, count: number): Float32Array;
  writeLayer(layer: number, first: number, values: Float32Array): void;
};

/** Most bytes that are given to one call of the operating system. */
const callBytes = 2 ** 28;

/** The whole of a view at a position of a file, by as many calls as it takes. */
function transfer(
  call: typeof readSync | typeof writeSync,
  file: number,
  view: Uint8Array,
  position: number,
) {
  for (let done = 0; done < view.length; ) {
    const length = Math.min(callBytes, view.length - done);
    const moved = (call as typeof readSync)(file, view, done, length, position + done);
    if (moved === 0) {
      view.fill(0, done); // beyond what was written
      return;
    }
    done += moved;
  }
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array) =>
  new Uint8Array(buffer, byteOffset, byteLength);

/**
 * A place for such files, which are gone when it is disposed of; on POSIX systems also when the process dies.
 *
 * @param folder where; on a disk, for what lies in memory would only move there
 */
export function createScratch(folder: string = tmpdir()) {
  const path = mkdtempSync(join(folder, "openledger-index-"));
  const files: number[] = [];
  return {
    file(rows: number, blocks: readonly LayerBlock[]): RowFile {
      const name = join(path, String(files.length));
      const file = openSync(name, "wx+", 0o600);
      files.push(file);
      if (process.platform !== "win32") rmSync(name);
      const width = blocks.reduce((sum, { length }) => sum + length, 0);
      const at = ({ offset, length }: LayerBlock, row: number) => 4 * (offset * rows + row * length);
      const block = (layer: number) => blocks[layer] as LayerBlock;
      const read = (values: Float32Array, position: number) => {
        transfer(readSync, file, bytesOf(values), position);
        return values;
      };
      const write = (values: Float32Array, position: number) =>
        transfer(writeSync, file, bytesOf(values), position);
      return {
        write(first, values) {
          const count = values.length / width;
          for (const each of blocks) {
            const part = new Float32Array(count * each.length);
            for (let i = 0; i < count; i++) {
              const from = i * width + each.offset;
              part.set(values.subarray(from, from + each.length), i * each.length);
            }
            write(part, at(each, first));
          }
        },
        row(index) {
          const row = new Float32Array(width);
          for (const each of blocks)
            read(row.subarray(each.offset, each.offset + each.length), at(each, index));
          return row;
        },
        readLayer: (layer, first, count) =>
          read(new Float32Array(count * block(layer).length), at(block(layer), first)),
        writeLayer: (layer, first, values) => write(values, at(block(layer), first)),
      };
    },
    [Symbol.dispose]() {
      for (const file of files) closeSync(file);
      rmSync(path, { recursive: true, force: true });
    },
  };
}
