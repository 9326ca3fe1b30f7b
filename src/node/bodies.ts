/** How long a request's body may be where it is read whole: before anybody's signature, pass or key is looked at. */
import type { MiddlewareHandler } from "hono";
import { limitBody } from "../chain/index.ts";

const mebibyte = 2 ** 20;
const bodyBytesMax = mebibyte;
/** Of a job, which brings its examples to evaluate with. */
const jobBytesMax = 16 * mebibyte;

const jobs = /^\/v1\/(fine-tunes|fine_tuning)(\/|$)/;
/** Routes that read a body as it comes, each within bounds of its own. */
const streamed = [
  /^\/v1\/datanets\/[^/]+\/(preview|contributions)$/,
  /^\/v1\/datanets\/convert$/,
  /^\/v1\/files$/,
  /^\/v1\/(chat\/completions|completions|embeddings)$/,
  /^\/v1\/(un)?(load|pin)_lora_adapter$/,
];

/** Refuses longer bodies with 413, on every route but those that bound theirs as they read. A room may take less. */
export function boundedBodies(): MiddlewareHandler {
  const [any, job] = [limitBody(bodyBytesMax), limitBody(jobBytesMax)];
  return (context, next) => {
    const { path } = context.req;
    if (streamed.some((route) => route.test(path))) return next();
    return (jobs.test(path) ? job : any)(context, next);
  };
}
