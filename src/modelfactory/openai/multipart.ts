/** Forms with files (`multipart/form-data`, RFC 7578) as they arrive: a file is never in memory as a whole. */

/** What a part of a form is called; `file` is the name of the file it carries. */
export type PartName = { readonly name: string; readonly file: string | undefined };

/** A part begins, or more of the last one's bytes. */
export type FormEvent = { readonly part: PartName } | { readonly bytes: Uint8Array };

export class FormError extends Error {
  override name = "FormError";
}

const headBytesMax = 16 * 1024;
const partsMax = 64;

/** The boundary that a form's content type names. @throws FormError when it is no form's */
export function formBoundary(contentType: string | undefined): string {
  const [, quoted, plain] =
    /^multipart\/form-data\s*;.*?boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType ?? "") ?? [];
  const boundary = quoted ?? plain;
  if (boundary === undefined)
    throw new FormError(
      `A file is sent as a form (multipart/form-data with a boundary); got "${(contentType ?? "nothing").slice(0, 100)}".`,
    );
  return boundary;
}

/** @throws FormError when the bytes are not a whole form with this boundary */
export async function* readForm(
  chunks: AsyncIterable<Uint8Array>,
  boundary: string,
): AsyncGenerator<FormEvent> {
  const delimiter = Buffer.from(`\r\n--${boundary}`);
  let pending: Buffer = Buffer.from("\r\n"); // the first delimiter may open the form
  let at: "preamble" | "head" | "body" = "preamble";
  let parts = 0;
  for await (const chunk of chunks) {
    pending = Buffer.concat([pending, chunk]);
    for (;;) {
      if (at === "head") {
        if (pending.length >= 2 && pending.toString("latin1", 0, 2) === "--") return;
        const end = pending.indexOf("\r\n\r\n");
        if (end < 0) {
          if (pending.length > headBytesMax)
            throw new FormError(`A part's head is longer than ${headBytesMax} bytes.`);
          break;
        }
        if (++parts > partsMax) throw new FormError(`The form has more than ${partsMax} parts.`);
        yield { part: partName(pending.toString("utf8", 0, end)) };
        pending = pending.subarray(end + 4);
        // An empty part's delimiter begins with the line break that ended its head.
        at = "body";
      }
      const next = pending.indexOf(delimiter);
      // The delimiter may have begun in what is here.
      const whole = next < 0 ? Math.max(0, pending.length - delimiter.length + 1) : next;
      if (at === "body" && whole > 0) yield { bytes: pending.subarray(0, whole) };
      pending = pending.subarray(next < 0 ? whole : next + delimiter.length);
      if (next < 0) break;
      at = "head";
    }
  }
  throw new FormError("The form ends before its last boundary: it was cut short on the way.");
}

function partName(head: string): PartName {
  const disposition = head.split("\r\n").find((line) => /^content-disposition:/i.test(line)) ?? "";
  const field = (name: string) => {
    const [, value] = new RegExp(`;\\s*${name}="([^"\\r\\n]*)"`, "i").exec(disposition) ?? [];
    return value?.replaceAll("%22", '"').replaceAll("%0D", "\r").replaceAll("%0A", "\n");
  };
  const name = field("name");
  if (name === undefined) throw new FormError("A part of the form has no name.");
  return { name, file: field("filename") };
}
