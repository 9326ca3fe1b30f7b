import { z } from "zod";
import type { Digest } from "./bytes.ts";
import { jsonDigest } from "./digest.ts";

/** The longest text one field of an example may hold, in UTF-16 code units. */
export const maxTextLength = 1_048_576;

const text = z.string().max(maxTextLength);

/** One turn of a conversation. */
export const messageSchema = z.strictObject({ role: z.enum(["system", "user", "assistant"]), content: text });

/** A training example: a conversation, or a prompt with its completion. Nothing else may ride along: all of it is hashed. */
export const exampleSchema = z.union([
  z.strictObject({ messages: z.array(messageSchema).min(1).max(1_024) }),
  z.strictObject({ prompt: text, completion: text }),
]);

export type Message = z.infer<typeof messageSchema>;
export type Example = z.infer<typeof exampleSchema>;

/** @returns the example's identity, its JSON digest; equal for the same words whatever the order of keys. */
export function exampleDigest(example: Example): Digest {
  return jsonDigest(example);
}

/** An example's words, one after the other: what lexical comparisons read. */
export const exampleText = (
  example:
    | { readonly messages: readonly { readonly content: string | null }[] }
    | { readonly prompt: string; readonly completion: string },
): string =>
  "messages" in example
    ? example.messages.map(({ content }) => content ?? "").join(" ")
    : example.prompt + example.completion;
