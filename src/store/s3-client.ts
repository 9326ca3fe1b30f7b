import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { AwsV4Signer } from "aws4fetch";
import { StoreError } from "./errors.ts";
import { type S3Address, type S3Credentials, s3Url } from "./s3-address.ts";

export type S3Request = {
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE";
  /** Below the prefix; empty: the bucket itself. */
  readonly key?: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array<ArrayBuffer>;
};

export type S3Options = {
  /** Tries of a request that fails in a way that may pass; 6 unless given. */
  readonly attempts?: number;
  /** Wait before the second try, doubled each time, up to 20 s; 200 ms unless given. */
  readonly backoffMs?: number;
  /** Longest silence: until an answer begins, and between two pieces of one; 60 s unless given. */
  readonly timeoutMs?: number;
};

export type S3Client = {
  readonly address: S3Address;
  /**
   * Sends a signed request, again where that may help (no answer, 408, 429, 5xx), later each time.
   *
   * @returns an answer with a status below 300, or 404 where nothing is at the key; its body is to be read or cancelled
   * @throws StoreError `blobs-refused` with the service's code and words, `blobs-unreachable`
   */
  send(request: S3Request): Promise<Response>;
  /** An answer's text, at most 8 MiB of it: a page of a listing has less than 1 MiB. */
  text(request: S3Request): Promise<string>;
  /** The bytes of a key as they come. A connection that is cut goes on at the next byte; undefined where nothing is at the key. */
  read(key: string): Promise<AsyncGenerator<Uint8Array> | undefined>;
};

const backoffMsMax = 20_000;
const textBytesMax = 8 * 2 ** 20;
const errorBytesMax = 64 * 1024;

/**
 * Signs a request with AWS Signature Version 4, its body's SHA-256 included: a service that checks it refuses bytes that changed on the way.
 *
 * @param datetime `20130524T000000Z`; now unless given
 */
export function signS3(
  request: {
    readonly method: string;
    readonly url: URL;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: Uint8Array;
  },
  region: string,
  credentials: S3Credentials,
  datetime?: string,
): Promise<{ url: URL; headers: Headers }> {
  const { method, url, headers, body } = request;
  const bodyDigest = createHash("sha256")
    .update(body ?? "")
    .digest("hex");
  return new AwsV4Signer({
    method,
    url: url.href,
    headers: { ...headers, "x-amz-content-sha256": bodyDigest },
    ...credentials,
    service: "s3",
    region,
    ...(datetime === undefined ? {} : { datetime }),
  }).sign();
}

/** @param credentials never part of a message */
export function createS3Client(
  address: S3Address,
  credentials: S3Credentials,
  { attempts = 6, backoffMs = 200, timeoutMs = 60_000 }: S3Options = {},
): S3Client {
  const where = `bucket ${address.bucket} at ${address.endpoint.origin}`;

  /** One try. Its answer's body is cut off by the same silence. */
  async function once({ method, key, query, headers, body }: S3Request): Promise<Response> {
    const url = s3Url(address, key === undefined ? "" : address.prefix + key, query);
    const signed = await signS3(
      { method, url, ...(headers === undefined ? {} : { headers }), ...(body === undefined ? {} : { body }) },
      address.region,
      credentials,
    );
    const silence = new AbortController();
    const timer = setTimeout(() => silence.abort(new Error(`nothing came for ${timeoutMs} ms`)), timeoutMs);
    try {
      return await fetch(signed.url, {
        method,
        headers: signed.headers,
        ...(body === undefined ? {} : { body }),
        // A signature is for one host; whoever sends us elsewhere gets nothing signed there.
        redirect: "manual",
        signal: silence.signal,
      });
    } finally {
      clearTimeout(timer);
    }
  }

  /** @returns the answer, or why another try may help */
  async function attempt(
    request: S3Request,
  ): Promise<Response | { problem: string; waitMs: number; cause?: unknown }> {
    let response: Response;
    try {
      response = await once(request);
    } catch (cause) {
      const { cause: reason, message } = cause as Error & { cause?: NodeJS.ErrnoException };
      return { problem: reason?.code ?? reason?.message ?? message, waitMs: 0, cause };
    }
    const { status } = response;
    if (status < 300) return response;
    const { code, message } = await readError(response, timeoutMs);
    if (status === 404 && code !== "NoSuchBucket" && code !== "NoSuchUpload")
      return new Response(null, { status });
    const said = `${status}${code === "" ? "" : ` ${code}`}${message === "" ? "" : `: ${message}`}`;
    if (status === 408 || status === 429 || status >= 500)
      return { problem: said, waitMs: Number(response.headers.get("retry-after") ?? 0) * 1000 || 0 };
    throw new StoreError(
      "blobs-refused",
      `The ${where} refused ${request.method} (${said}). ${adviceFor(status, code, address)}`,
    );
  }

  async function send(request: S3Request): Promise<Response> {
    for (let tried = 1; ; tried++) {
      const answer = await attempt(request);
      // Not `instanceof Response`: a server in this process may have replaced that class.
      if (!("problem" in answer)) return answer;
      if (tried >= attempts)
        throw new StoreError(
          "blobs-unreachable",
          `The ${where} did not do ${request.method} in ${attempts} tries; the last one: ${answer.problem}. ` +
            "Check the endpoint, the network and the service's state, then try again: ./openledger doctor tells when it answers.",
          { cause: answer.cause },
        );
      const backoff = backoffMs * 2 ** (tried - 1) * (0.5 + Math.random() / 2);
      await sleep(Math.min(Math.max(backoff, answer.waitMs), backoffMsMax));
    }
  }

  async function* readFrom(key: string, first: Response): AsyncGenerator<Uint8Array> {
    let at = 0;
    let response: Response | undefined = first;
    for (let tried = 1; ; ) {
      try {
        for await (const piece of pieces(response as Response, timeoutMs)) {
          at += piece.length;
          tried = 1;
          yield piece;
        }
        return;
      } catch (cause) {
        if (tried++ >= attempts)
          throw new StoreError(
            "blobs-unreachable",
            `The ${where} broke off after ${at} bytes of ${key}, ${attempts} times: ${(cause as Error).message}. Try again later.`,
            { cause },
          );
        await sleep(Math.min(backoffMs * 2 ** (tried - 2), backoffMsMax));
        response = await send({ method: "GET", key, headers: at === 0 ? {} : { range: `bytes=${at}-` } });
        if (response.status === 404)
          throw new StoreError("blob-missing", `The object ${key} vanished while it was read. Try again.`);
        if (at > 0 && response.status !== 206) {
          await response.body?.cancel();
          throw new StoreError(
            "blobs-refused",
            `The ${where} does not serve ranges, and broke off after ${at} bytes of ${key}. Try again.`,
          );
        }
      }
    }
  }

  return {
    address,
    send,
    async text(request) {
      const response = await send(request);
      return boundedText(response, textBytesMax, timeoutMs);
    },
    async read(key) {
      const response = await send({ method: "GET", key });
      return response.status === 404 ? undefined : readFrom(key, response);
    },
  };
}

/** A body's pieces; a silence longer than `timeoutMs`, or fewer bytes than were announced, is an error. */
async function* pieces(response: Response, timeoutMs: number): AsyncGenerator<Uint8Array> {
  const announced = response.headers.get("content-length");
  if (response.body === null) return;
  const reader = response.body.getReader();
  let bytes = 0;
  try {
    for (;;) {
      const { promise: silence, reject } = Promise.withResolvers<never>();
      const timer = setTimeout(() => reject(new Error(`nothing came for ${timeoutMs} ms`)), timeoutMs);
      const read = await Promise.race([reader.read(), silence]).finally(() => clearTimeout(timer));
      if (read.done) break;
      bytes += read.value.length;
      yield read.value;
    }
    if (announced !== null && bytes !== Number(announced))
      throw new Error(`expected ${announced} bytes, got ${bytes}`);
  } finally {
    // Whoever stops in the middle leaves no connection behind.
    await reader.cancel().catch(() => {});
  }
}

async function boundedText(response: Response, bytesMax: number, timeoutMs: number): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of pieces(response, timeoutMs)) {
    bytes += piece.length;
    if (bytes > bytesMax)
      throw new StoreError(
        "blobs-refused",
        `An answer of the bucket's is longer than ${bytesMax} bytes: what answers there is no S3 service.`,
      );
    parts.push(piece);
  }
  return Buffer.concat(parts).toString("utf8");
}

async function readError(response: Response, timeoutMs: number): Promise<{ code: string; message: string }> {
  const text = await boundedText(response, errorBytesMax, timeoutMs).catch(() => "");
  return { code: xmlText(text, "Code").slice(0, 100), message: xmlText(text, "Message").slice(0, 300) };
}

/** The text of the first element of a name; empty where there is none. */
export function xmlText(xml: string, name: string): string {
  const found = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1] ?? "";
  const entities: Record<string, string> = {
    "&lt;": "<",
    "&gt;": ">",
    "&quot;": '"',
    "&apos;": "'",
    "&#34;": '"',
    "&#39;": "'",
    "&amp;": "&",
  };
  const plain = found.replace(/&(lt|gt|quot|apos|amp|#34|#39);/g, (entity) => entities[entity] ?? entity);
  // A stranger's words must not command a terminal.
  return plain.replace(/\p{Cc}/gu, " ");
}

function adviceFor(status: number, code: string, { region, bucket }: S3Address): string {
  if (code === "NoSuchBucket") return `Make the bucket ${bucket} first, or correct its name.`;
  if (code === "RequestTimeTooSkewed")
    return "Set this machine's clock: a signature holds for a few minutes.";
  if (code === "SignatureDoesNotMatch" || code === "InvalidAccessKeyId" || status === 401)
    return "Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN), and the region.";
  if (status === 301 || status === 307 || code === "AuthorizationHeaderMalformed")
    return `The bucket may be in another region than ${region}, or want style=path or style=virtual: correct the address.`;
  if (status === 403)
    return "The keys need s3:GetObject, s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload below the prefix, and s3:ListBucket.";
  return "Check the address of the blobs.";
}
