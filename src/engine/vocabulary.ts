/** What each token stands for, byte by byte: tokens need not be whole characters. */
import { z } from "zod";
import { byteAlphabet } from "./bpe.ts";

export type Vocabulary = {
  /**
   * How `tokenizer.json` spells bytes: each as one of GPT-2's letters; as text with `▁` for spaces and `<0xAB>` for bytes it has no
   * text for (SentencePiece); or as text.
   */
  readonly spelling: "byte-level" | "byte-fallback" | "raw";
  /** Tokens by id, spelt so; "" for special tokens, which stand for no text, and for ids that have no token. */
  readonly tokens: readonly string[];
  /** The bytes a token adds to a text; none for a special one. */
  bytes(id: number): Uint8Array;
  /** A token alone as text, a special one by its name; what is not whole characters reads U+FFFD. */
  name(id: number): string;
};

const tokenizerFile = z.object({
  added_tokens: z
    .array(z.object({ id: z.int().min(0).max(9_999_999), content: z.string(), special: z.boolean() }))
    .default([]),
  decoder: z.unknown(),
  model: z.object({
    vocab: z.union([
      z.record(z.string(), z.int().min(0).max(9_999_999)),
      z.array(z.tuple([z.string(), z.number()])),
    ]),
  }),
});

/** @param tokenizerJson contents of `tokenizer.json` */
export function readVocabulary(tokenizerJson: unknown): Vocabulary {
  const { added_tokens: added, decoder, model } = tokenizerFile.parse(tokenizerJson);
  const decoding = JSON.stringify(decoder ?? null);
  const spelling = decoding.includes('"ByteLevel"')
    ? "byte-level"
    : /"ByteFallback"|"Metaspace"|"▁"/.test(decoding)
      ? "byte-fallback"
      : "raw";
  const alphabet = byteAlphabet();
  const byteOf = new Map(alphabet.map((letter, byte) => [letter, byte]));
  const encoder = new TextEncoder();
  const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
  const spell = (text: string): string => {
    if (spelling === "raw") return text;
    if (spelling === "byte-fallback") return text.replaceAll(" ", "▁");
    return Array.from(encoder.encode(text), (byte) => alphabet[byte]).join("");
  };

  const tokens: string[] = [];
  if (Array.isArray(model.vocab)) for (const [token] of model.vocab) tokens.push(token);
  else for (const [token, id] of Object.entries(model.vocab)) tokens[id] = token;
  const special = new Map<number, string>();
  for (const { id, content, special: isSpecial } of added) {
    if (isSpecial) special.set(id, content);
    tokens[id] = isSpecial ? "" : spell(content);
  }
  for (let id = 0; id < tokens.length; id++) tokens[id] ??= "";

  function bytes(id: number): Uint8Array {
    const token = tokens[id] ?? "";
    if (spelling === "byte-level")
      return Uint8Array.from(Array.from(token, (letter) => byteOf.get(letter) as number));
    if (spelling === "raw") return encoder.encode(token);
    const alone = /^<0x([0-9A-Fa-f]{2})>$/.exec(token)?.[1];
    return alone === undefined
      ? encoder.encode(token.replaceAll("▁", " "))
      : Uint8Array.of(Number.parseInt(alone, 16));
  }

  return { spelling, tokens, bytes, name: (id) => special.get(id) ?? utf8.decode(bytes(id)) };
}
