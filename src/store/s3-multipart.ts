import { StoreError } from "./errors.ts";
import { type S3Client, xmlText } from "./s3-client.ts";

/** S3 takes at most 10,000 parts. */
const partsMax = 10_000;

/**
 * Stores an object in parts, one in memory at a time. Nothing is at the key until the last step; what goes wrong before it takes the parts back. Those of a
 * process that died stay with the service until its rule for unfinished uploads removes them.
 *
 * @param part the object's bytes from … to, asked for in order, each once
 * @throws StoreError; what `part` throws
 */
export async function putMultipart(
  client: S3Client,
  key: string,
  bytes: number,
  partBytes: number,
  part: (from: number, to: number) => Promise<Uint8Array>,
): Promise<void> {
  const size = Math.max(partBytes, Math.ceil(bytes / partsMax));
  const uploadId = xmlText(await client.text({ method: "POST", key, query: { uploads: "" } }), "UploadId");
  if (uploadId === "")
    throw new StoreError(
      "blobs-refused",
      "The bucket did not name the upload that was begun: what answers there is no S3 service.",
    );
  try {
    const tags: string[] = [];
    for (let from = 0; from < bytes; from += size) {
      const body = (await part(from, Math.min(from + size, bytes))) as Uint8Array<ArrayBuffer>;
      const response = await client.send({
        method: "PUT",
        key,
        query: { partNumber: `${tags.length + 1}`, uploadId },
        body,
      });
      await response.body?.cancel();
      const tag = /^"?[\w-]{1,100}"?$/.exec(response.headers.get("etag") ?? "")?.[0];
      if (tag === undefined)
        throw new StoreError(
          "blobs-refused",
          `The bucket took part ${tags.length + 1} of ${key} without an ETag.`,
        );
      tags.push(tag);
    }
    const list = tags.map((tag, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>${tag}</ETag></Part>`);
    const body = new TextEncoder().encode(
      `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${list.join("")}</CompleteMultipartUpload>`,
    );
    // The service may answer 200 and then, minutes later, an error.
    const answer = await client.text({ method: "POST", key, query: { uploadId }, body });
    if (!answer.includes("<CompleteMultipartUploadResult"))
      throw new StoreError(
        "blobs-refused",
        `The bucket did not put the ${tags.length} parts of ${key} together: ${xmlText(answer, "Code") || "no result"} ${xmlText(answer, "Message")}. Store it again.`,
      );
  } catch (error) {
    await client.send({ method: "DELETE", key, query: { uploadId } }).catch(() => {});
    throw error;
  }
}
