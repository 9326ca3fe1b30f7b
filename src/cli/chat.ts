import { type Command, InvalidArgumentError } from "commander";
import { formatOpen } from "./amount.ts";
import { CliError, exitCodes } from "./errors.ts";
import { connect, type NodeClient } from "./http.ts";
import type { Io } from "./io.ts";
import { givenKey, withKey } from "./key.ts";
import { type ReceiptJson, showReceipt } from "./receipt.ts";
import { plain } from "./table.ts";

type Facts = {
  readonly request_id: string | null;
  readonly release: string | null;
  readonly receipt: string | null;
  readonly fee_wei: string;
  readonly seed: number;
};

type Chunk = {
  readonly choices: readonly {
    readonly delta: { readonly content?: string };
    readonly finish_reason: string | null;
  }[];
  readonly system_fingerprint?: string;
  readonly usage?: { readonly prompt_tokens: number; readonly completion_tokens: number } | null;
  readonly openledger?: Facts;
  readonly error?: { readonly message: string; readonly code: string | null };
};

type RequestJson = { readonly state: string; readonly receipt: string | null; readonly error: string | null };

const number = (min: number, max: number, whole: boolean) => (text: string) => {
  const value = Number(text);
  if (text.trim() !== "" && value >= min && value <= max && (!whole || Number.isInteger(value))) return value;
  throw new InvalidArgumentError(`Expected a ${whole ? "whole " : ""}number from ${min} to ${max}.`);
};

type Options = {
  key?: string;
  system?: string;
  maxTokens?: number;
  temperature: number;
  seed?: number;
  attribution: boolean;
  receipt: boolean;
};

/** `openledger chat <model> <question>`: the answer as it comes, then who is paid for it. */
export function define(command: Command, io: Io): void {
  withKey(command)
    .argument("<model>", "name or release id; the base model is free")
    .argument("<question>", "what to ask")
    .option("--system <text>", "what the model is told first")
    .option("--max-tokens <number>", "longest answer", number(1, 1_000_000, true))
    .option("--temperature <number>", "0 always takes the likeliest token", number(0, 2, false), 0)
    .option(
      "--seed <number>",
      "the same again gives the same answer",
      number(0, Number.MAX_SAFE_INTEGER, true),
    )
    .option("--no-attribution", "trace nobody's influence: the data's part goes to the common pools")
    .option("--no-receipt", "do not wait for the receipt")
    .action(async (model: string, question: string, options: Options) => {
      if (question.trim() === "")
        throw new CliError("There is no question; nothing was asked, and nothing is charged.", {
          expected: "what to ask, in quotes",
          actual: "empty text",
          exitCode: exitCodes.usage,
        });
      const node = connect();
      const answer = await ask(node, io, model, question, options);
      const { facts } = answer;
      if (!io.json) process.stdout.write("\n");
      const receipt =
        options.receipt && facts.request_id !== null && facts.receipt !== null
          ? await waitForReceipt(node, facts.request_id)
          : null;
      io.result(
        {
          model,
          answer: answer.text,
          finishReason: answer.finishReason,
          requestId: facts.request_id,
          release: facts.release,
          feeWei: facts.fee_wei,
          seed: facts.seed,
          fingerprint: answer.fingerprint,
          usage: answer.usage,
          receipt,
        },
        [
          "",
          `${answer.usage.prompt_tokens} tokens read, ${answer.usage.completion_tokens} written: ${facts.fee_wei === "0" ? "free" : `${formatOpen(BigInt(facts.fee_wei))} OPEN`}.`,
          ...(receipt === null ? [] : ["", showReceipt(receipt)]),
        ].join("\n"),
      );
    });
}

async function ask(node: NodeClient, io: Io, model: string, question: string, options: Options) {
  const key = givenKey(options.key);
  const { system, maxTokens, temperature, seed, attribution } = options;
  const body = {
    model,
    messages: [
      ...(system === undefined ? [] : [{ role: "system", content: system }]),
      { role: "user", content: question },
    ],
    temperature,
    ...(maxTokens === undefined ? {} : { max_tokens: maxTokens }),
    ...(seed === undefined ? {} : { seed }),
    stream: true,
    stream_options: { include_usage: true },
    ...(attribution ? {} : { openledger: { attribution: false } }),
  };
  const stop = new AbortController();
  const interrupted = () => stop.abort();
  process.once("SIGINT", interrupted);
  const headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
  let text = "";
  let finishReason: string | null = null;
  let last: Chunk | undefined;
  let usage: NonNullable<Chunk["usage"]> | undefined;
  try {
    for await (const { data } of node.events("POST", "/v1/chat/completions", {
      body,
      headers,
      signal: stop.signal,
    })) {
      if (data === "[DONE]") break;
      const chunk = JSON.parse(data) as Chunk;
      if (chunk.error !== undefined)
        throw new CliError(chunk.error.message, chunk.error.code === null ? {} : { code: chunk.error.code });
      const [choice] = chunk.choices;
      const piece = choice?.delta.content ?? "";
      text += piece;
      if (!io.json) process.stdout.write(plain(piece));
      finishReason = choice?.finish_reason ?? finishReason;
      if (chunk.openledger !== undefined) last = chunk;
      if (chunk.usage) usage = chunk.usage;
    }
  } catch (cause) {
    if (stop.signal.aborted)
      throw new CliError("Interrupted. What was written so far is charged.", {
        exitCode: exitCodes.failed,
        cause,
      });
    throw cause;
  } finally {
    process.off("SIGINT", interrupted);
  }
  if (last?.openledger === undefined || usage === undefined)
    throw new CliError("The answer broke off.", {
      expected: "a last chunk with what it costs",
      actual: text === "" ? "nothing" : `${text.length} characters, then the end`,
      fix: ["Ask again."],
    });
  return { text, finishReason, usage, facts: last.openledger, fingerprint: last.system_fingerprint ?? "" };
}

const receiptWaitMs = 120_000;
const failedStates = ["failed", "released"];

/** Waits for the receipt of an answer, then reads it. */
async function waitForReceipt(node: NodeClient, requestId: string): Promise<ReceiptJson> {
  const untilMs = Date.now() + receiptWaitMs;
  for (let waitMs = 25; ; waitMs = Math.min(1_000, waitMs * 2)) {
    const request = await node.get<RequestJson>(`/v1/requests/${encodeURIComponent(requestId)}`);
    if (request.receipt !== null) return node.get<ReceiptJson>(`/v1/receipts/${request.receipt}`);
    if (failedStates.includes(request.state) || Date.now() > untilMs)
      throw new CliError("The answer has no receipt.", {
        expected: `a receipt within ${receiptWaitMs / 1_000} s`,
        actual: `the request is ${request.state}${request.error === null ? "" : `: ${request.error}`}`,
        details: { requestId },
      });
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}
