/** The few calls the demo makes, over HTTP as any other program would. */

export type Api = ReturnType<typeof demoApi>;

export type Answer = { readonly text: string; readonly requestId: string | null };

/** @param url of the node, without a slash at the end */
export function demoApi(url: string, operatorToken: string) {
  async function call<T>(
    method: string,
    path: string,
    options: { body?: unknown; text?: string; bearer?: string } = {},
  ): Promise<T> {
    const { body, text, bearer } = options;
    const response = await fetch(`${url}${path}`, {
      method,
      headers: {
        ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(text === undefined ? {} : { "content-type": "application/jsonl" }),
      },
      ...(body === undefined ? (text === undefined ? {} : { body: text }) : { body: JSON.stringify(body) }),
    });
    const answer = await response.text();
    if (!response.ok)
      throw new Error(`${method} ${path} answers ${response.status}: ${answer.slice(0, 500)}`);
    return JSON.parse(answer) as T;
  }

  return {
    get: <T>(path: string, bearer?: string) => call<T>("GET", path, bearer === undefined ? {} : { bearer }),
    post: <T>(path: string, body: unknown, bearer?: string) =>
      call<T>("POST", path, { body, ...(bearer === undefined ? {} : { bearer }) }),
    /** In the operator's name. */
    operate: <T>(path: string, body: unknown) => call<T>("POST", path, { body, bearer: operatorToken }),
    /** Lets an account act in the operator's name when it is signed in. */
    admit: (address: string) =>
      call<unknown>("PUT", `/v1/operator/people/${address}`, { bearer: operatorToken }),
    upload: <T>(path: string, jsonLines: string) => call<T>("POST", path, { text: jsonLines }),
    /** One question, greedily answered. */
    async ask(model: string, question: string, bearer?: string): Promise<Answer> {
      const answer = await call<{
        choices: { message: { content: string } }[];
        openledger?: { request_id?: string };
      }>("POST", "/v1/chat/completions", {
        body: { model, messages: [{ role: "user", content: question }], max_tokens: 16, temperature: 0 },
        ...(bearer === undefined ? {} : { bearer }),
      });
      return {
        text: answer.choices[0]?.message.content ?? "",
        requestId: answer.openledger?.request_id ?? null,
      };
    },
    /** Server-sent events until the server ends the stream. */
    async follow(
      path: string,
      onEvent: (kind: string, data: Record<string, unknown>) => void,
    ): Promise<void> {
      const response = await fetch(`${url}${path}`, { headers: { accept: "text/event-stream" } });
      if (!response.ok || response.body === null) throw new Error(`GET ${path} answers ${response.status}.`);
      let text = "";
      for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
        text += chunk;
        for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
          const fields = Object.fromEntries(
            text
              .slice(0, end)
              .split("\n")
              .map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()]),
          );
          text = text.slice(end + 2);
          if (fields.data !== undefined) onEvent(fields.event ?? "message", JSON.parse(fields.data));
        }
      }
    },
  };
}

/** Runs `each` over items, at most `width` at once, keeping the order of results. */
export async function mapAtOnce<T, R>(
  items: readonly T[],
  width: number,
  each: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results = new Array<R>(items.length);
  let next = 0;
  await Promise.all(
    Array.from({ length: Math.min(width, items.length) }, async () => {
      for (let i = next++; i < items.length; i = next++) results[i] = await each(items[i] as T, i);
    }),
  );
  return results;
}
