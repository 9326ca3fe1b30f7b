import { z } from "zod";
import { StoreError } from "./errors.ts";

/** A bucket, and the part of it that is one node's. */
export type S3Address = {
  readonly bucket: string;
  /** In front of every key; empty, or with a slash at its end. */
  readonly prefix: string;
  /** Where the service answers; the bucket is in the path or in front of the host. */
  readonly endpoint: URL;
  readonly region: string;
  /** `path`: `endpoint/bucket/key`; `virtual`: `bucket.endpoint/key`. */
  readonly style: "path" | "virtual";
};

export type S3Credentials = {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
};

const addressSchema = z.strictObject({
  bucket: z
    .string()
    .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, "a bucket's name (3 to 63 of a-z, 0-9, dot, hyphen)"),
  // No letter that a URL or a signature would have to escape.
  prefix: z
    .string()
    .max(200)
    .regex(/^([\w-][\w.-]*\/)*$/, "names of letters, digits, _, - and . between slashes"),
  endpoint: z
    .url({ protocol: /^https?$/ })
    .refine(
      (text) => /^\/?$/.test(new URL(text).pathname) && !/[?#@]/.test(text),
      "scheme, host and port only",
    )
    .optional(),
  region: z
    .string()
    .regex(/^[a-z0-9-]{1,40}$/, "a region's name")
    .default("us-east-1"),
  style: z.enum(["path", "virtual"]).optional(),
});

const form = "s3://bucket/prefix?endpoint=https://…&region=…&style=path|virtual";

/**
 * Reads `s3://bucket/prefix?endpoint=…&region=…&style=…`. Without an endpoint it is AWS's of the region; with one, or with a bucket whose name has a dot, which no
 * certificate of `*.host` covers, the style is `path` unless it is said.
 *
 * @throws StoreError `blobs-address`
 */
export function parseS3Address(text: string): S3Address {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== "s3:")
    throw new StoreError("blobs-address", `"${text}" is no address of blobs. Expected ${form}.`);
  if (url.username !== "" || url.password !== "")
    throw new StoreError(
      "blobs-address",
      `The address of blobs holds credentials, which would be seen in lists of processes and logs. Expected ${form}, and the keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.`,
    );
  const path = url.pathname.replace(/^\/+|\/+$/g, "");
  const parsed = addressSchema.safeParse({
    bucket: url.hostname,
    prefix: path === "" ? "" : `${path}/`,
    ...Object.fromEntries(url.searchParams),
  });
  if (!parsed.success)
    throw new StoreError(
      "blobs-address",
      `The address of blobs is not valid. Expected ${form}:\n${z.prettifyError(parsed.error)}`,
    );
  const { bucket, prefix, endpoint, region, style } = parsed.data;
  return {
    bucket,
    prefix,
    endpoint: new URL(endpoint ?? `https://s3.${region}.amazonaws.com`),
    region,
    style: style ?? (endpoint === undefined && !bucket.includes(".") ? "virtual" : "path"),
  };
}

/**
 * The keys that requests are signed with, from the environment's usual names.
 *
 * @throws StoreError `blobs-address` naming the variable that is missing, never a value
 */
export function s3Credentials(environment: NodeJS.ProcessEnv = process.env): S3Credentials {
  const read = (name: string): string => {
    const value = environment[name];
    if (value !== undefined && value !== "") return value;
    throw new StoreError(
      "blobs-address",
      `Blobs lie in a bucket, and ${name} is not set. Expected AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN for temporary keys) in the environment.`,
    );
  };
  const sessionToken = environment.AWS_SESSION_TOKEN;
  return {
    accessKeyId: read("AWS_ACCESS_KEY_ID"),
    secretAccessKey: read("AWS_SECRET_ACCESS_KEY"),
    ...(sessionToken ? { sessionToken } : {}),
  };
}

/** The URL of a key, or of the bucket itself where there is none. */
export function s3Url(
  { bucket, endpoint, style }: S3Address,
  key: string,
  query: Readonly<Record<string, string>> = {},
): URL {
  const url = new URL(endpoint);
  if (style === "virtual") url.hostname = `${bucket}.${url.hostname}`;
  url.pathname = style === "virtual" ? `/${key}` : `/${bucket}/${key}`;
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return url;
}
