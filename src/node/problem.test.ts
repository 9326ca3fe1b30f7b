import assert from "node:assert/strict";
import { test } from "node:test";
import { Hono } from "hono";
import { problemDetails, problemOf } from "./problem.ts";

const refusal = {
  error: { code: "unknown-datanet", message: "There is no Datanet 9 here.", details: { datanet: 9 } },
};

function app(): Hono {
  const app = new Hono();
  app.use("/v1/*", problemDetails());
  app.get("/v1/refused", (context) => context.json(refusal, 404, { "retry-after": "3" }));
  app.get("/v1/found", (context) => context.json(refusal, 200));
  app.get("/v1/other", (context) => context.json({ ok: false }, 503));
  app.get("/v1/text", (context) => context.text("no", 400));
  return app;
}

test("a refusal has the members of RFC 9457 beside its own, and its headers", async () => {
  const answer = await app().request("/v1/refused");
  assert.deepEqual([answer.status, answer.headers.get("retry-after")], [404, "3"]);
  assert.match(answer.headers.get("content-type") ?? "", /^application\/json/);
  assert.deepEqual(await answer.json(), {
    type: "about:blank#unknown-datanet",
    title: "Unknown datanet",
    status: 404,
    detail: "There is no Datanet 9 here.",
    ...refusal,
  });
});

test("whoever accepts problem details is given their content type", async () => {
  const answer = await app().request("/v1/refused", { headers: { accept: "application/problem+json" } });
  assert.equal(answer.headers.get("content-type"), "application/problem+json");
});

test("what is no refusal stays as it is", async () => {
  assert.deepEqual(await (await app().request("/v1/found")).json(), refusal);
  assert.deepEqual(await (await app().request("/v1/other")).json(), { ok: false });
  assert.equal(await (await app().request("/v1/text")).text(), "no");
  for (const body of [null, 7, "error", { error: "text" }, { error: { code: 1 } }])
    assert.equal(problemOf(body, 400), undefined);
});

test("OpenAI's shape is named by its code, or by its type", () => {
  const error = { message: "No.", type: "invalid_request_error", param: null, code: null };
  assert.equal(problemOf({ error }, 400)?.title, "Invalid request error");
  assert.equal(problemOf({ error: { ...error, code: "not_found" } }, 404)?.title, "Not found");
});
