import { join } from "node:path";
import type { Blobs } from "./blobs.ts";
import { openBlobFolder } from "./blobs-folder.ts";
import { openS3Blobs } from "./blobs-s3.ts";

/**
 * The blobs of a node: in its home's `blobs/`, or in a bucket with local copies in `blobs-cache/`.
 *
 * @param address `s3://…`; the folder unless given
 */
export function openBlobs(home: string, address?: string): Promise<Blobs> {
  return address === undefined
    ? openBlobFolder(join(home, "blobs"))
    : openS3Blobs(address, { cacheFolder: join(home, "blobs-cache") });
}
