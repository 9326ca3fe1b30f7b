import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";

/** How far an upload has come: the stage that begins now, how many came before it, and how many there are. */
export type UploadProgress = { readonly stage: string; readonly done: number; readonly of: number };
export type OnUploadProgress = (progress: UploadProgress) => void;

/** What is handed down with a request whose progress is told. */
type ProgressEnv = { readonly onProgress?: OnUploadProgress } | undefined;

/** Thousands of rows take longer than some clients wait for an answer's beginning. */
export const toldLineByLine =
  "With `Accept: application/x-ndjson` the answer begins at once: lines of `{progress: {stage, done, of}}`, then `{status, answer}`, what is answered otherwise.";

/** A client that waits hears of it at least so often. Node's own gives up after 300 s of silence. */
const repeatEveryMs = 10_000;

/** To be told how a request goes on, where its client asked for that. */
export const progressOf = (context: Context): OnUploadProgress | undefined =>
  (context.env as ProgressEnv)?.onProgress;

/**
 * Requests to these paths that accept `application/x-ndjson` are answered at once, and line by line: `{"progress":{stage,done,of}}` while it goes on, then
 * `{"status":…,"answer":…}`, what the route answers with otherwise. To be called before the routes are added.
 */
export function mountProgress(app: OpenAPIHono, paths: readonly string[]): void {
  for (const path of paths)
    app.use(path, async (context, next) => {
      const wanted = context.req.header("accept")?.includes("application/x-ndjson");
      if (!wanted || progressOf(context) !== undefined) return next();
      const { raw } = context.req;
      const answered = (onProgress: OnUploadProgress) =>
        app.fetch(
          new Request(raw.url, {
            ...{ method: raw.method, headers: raw.headers, signal: raw.signal },
            ...(raw.body && { body: raw.body, duplex: "half" }),
          } as RequestInit),
          { ...(context.env as object | undefined), onProgress },
        );
      return new Response(told(answered), { headers: { "content-type": "application/x-ndjson" } });
    });
}

function told(answered: (onProgress: OnUploadProgress) => Response | Promise<Response>) {
  let over = false;
  let timer: NodeJS.Timeout | undefined;
  return new ReadableStream<Uint8Array>({
    start(controller) {
      const write = (text: string) => {
        if (!over) controller.enqueue(Buffer.from(text));
      };
      let last: UploadProgress = { stage: "reading", done: 0, of: 1 };
      const tell = (progress: UploadProgress) => {
        last = progress;
        write(`${JSON.stringify({ progress })}\n`);
      };
      timer = setInterval(() => tell(last), repeatEveryMs);
      const end = (error?: Error) => {
        clearInterval(timer);
        if (over) return;
        over = true;
        if (error) controller.error(error);
        else controller.close();
      };
      Promise.resolve(answered(tell))
        .then(async (response) => {
          write(`{"status":${response.status},"answer":`);
          write(await response.text());
          write("}\n");
          end();
        })
        .catch(end);
    },
    cancel() {
      over = true;
      clearInterval(timer);
    },
  });
}
