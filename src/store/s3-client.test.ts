import assert from "node:assert/strict";
import { test } from "node:test";
import { isStoreError } from "./errors.ts";
import { parseS3Address, s3Credentials, s3Url } from "./s3-address.ts";
import { signS3, xmlText } from "./s3-client.ts";

/** The examples of AWS's documentation, "Signature calculations for the authorization header: transferring a payload in a single chunk". */
test("signatures are AWS's own", async () => {
  const credentials = {
    accessKeyId: "AKIAIOSFODNN7EXAMPLE",
    secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
  };
  const origin = "https://examplebucket.s3.amazonaws.com";
  const examples = [
    ["GET", "/?lifecycle", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"],
    ["GET", "/?max-keys=2&prefix=J", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"],
  ] as const;
  for (const [method, path, signature] of examples) {
    const { headers } = await signS3(
      { method, url: new URL(origin + path) },
      "us-east-1",
      credentials,
      "20130524T000000Z",
    );
    assert.equal(
      headers.get("authorization"),
      `AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=${signature}`,
    );
  }
  const put = await signS3(
    {
      method: "PUT",
      url: new URL(`${origin}/test$file.text`),
      headers: { date: "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY" },
      body: new TextEncoder().encode("Welcome to Amazon S3."),
    },
    "us-east-1",
    credentials,
    "20130524T000000Z",
  );
  assert.match(
    put.headers.get("authorization") ?? "",
    /SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class, Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd$/,
  );
  assert.equal(
    put.headers.get("x-amz-content-sha256"),
    "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
  );
});

test("an address says where objects lie", () => {
  const url = (address: string, key = "ab/cd") => {
    const parsed = parseS3Address(address);
    return s3Url(parsed, parsed.prefix + key).href;
  };
  assert.equal(url("s3://b-1/p/q?region=eu-west-1"), "https://b-1.s3.eu-west-1.amazonaws.com/p/q/ab/cd");
  assert.equal(url("s3://a.b/?region=eu-west-1"), "https://s3.eu-west-1.amazonaws.com/a.b/ab/cd");
  assert.equal(url("s3://bkt?endpoint=http://127.0.0.1:9000"), "http://127.0.0.1:9000/bkt/ab/cd");
  assert.equal(url("s3://bkt?endpoint=https://s3.host&style=virtual"), "https://bkt.s3.host/ab/cd");
});

test("an address that is not one, or that holds a secret, is refused without repeating the secret", () => {
  for (const bad of [
    "",
    "blobs",
    "https://host/bucket",
    "s3://B",
    "s3://bucket/a//b",
    "s3://bucket/a b",
    "s3://bucket?endpoint=ftp://host",
    "s3://bucket?endpoint=https://host/path",
    "s3://bucket?endpoint=https://user:word@host",
    "s3://bucket?region=a/b",
    "s3://bucket?secret=1",
  ])
    assert.throws(
      () => parseS3Address(bad),
      (error) => isStoreError(error, "blobs-address"),
      bad,
    );
  assert.throws(
    () => parseS3Address("s3://id:hush-hush@bucket"),
    (error: Error) => isStoreError(error, "blobs-address") && !error.message.includes("hush"),
  );
});

test("credentials come from the environment; what is missing is named, what is there is not", () => {
  assert.deepEqual(s3Credentials({ AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "b" }), {
    accessKeyId: "a",
    secretAccessKey: "b",
  });
  assert.equal(
    s3Credentials({ AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "b", AWS_SESSION_TOKEN: "c" })
      .sessionToken,
    "c",
  );
  assert.throws(
    () => s3Credentials({ AWS_SECRET_ACCESS_KEY: "hush-hush" }),
    (error: Error) => /AWS_ACCESS_KEY_ID is not set/.test(error.message) && !error.message.includes("hush"),
  );
});

test("a stranger's words are told without their control characters", () => {
  assert.equal(
    xmlText("<Error><Message>a &lt;b&gt; \u001b[2J&amp;lt;</Message></Error>", "Message"),
    "a <b>  [2J&lt;",
  );
  assert.equal(xmlText("no xml", "Message"), "");
});
