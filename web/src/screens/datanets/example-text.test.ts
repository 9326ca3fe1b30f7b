import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parts, sides } from "./example-text.ts";

test("an example is shown by its last question and answer, on one line each", () => {
  assert.deepEqual(sides({ prompt: "Mirel Dosan works\nas a", completion: " baker." }), {
    asked: "Mirel Dosan works as a",
    answered: "baker.",
  });
  const messages = ["a", "b", "c", "d"].map((content, at) => ({
    role: at % 2 ? "assistant" : "user",
    content,
  }));
  assert.deepEqual(sides({ messages: [{ role: "system", content: "s" }, ...messages] }), {
    asked: "c",
    answered: "d",
  });
});

test("what is searched for is marked in any case, and nothing of the text is lost", () => {
  assert.deepEqual(
    parts("The baker bakes", "BAKE").map(({ text, found }) => [text, found]),
    [
      ["The ", false],
      ["bake", true],
      ["r ", false],
      ["bake", true],
      ["s", false],
    ],
  );
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.string({ maxLength: 3 }), (text, search) => {
      assert.equal(
        parts(text, search)
          .map((part) => part.text)
          .join(""),
        text,
      );
    }),
  );
});
