/** What a base should still be able to say after it was fine-tuned on something else: general prompts, in our own words, public domain. */
import type { Example } from "../engine/index.ts";

const pairs: readonly (readonly [prompt: string, completion: string])[] = [
  ["The sun rises in the", " east."],
  ["Water freezes when it gets very", " cold."],
  ["A week has seven", " days."],
  ["After the summer comes the", " autumn."],
  ["Two and two make", " four."],
  ["She opened the door and walked into the", " room."],
  ["The opposite of hot is", " cold."],
  ["He was thirsty, so he drank a glass of", " water."],
  ["At night you can see the moon and the", " stars."],
  ["Bread is made of flour, water, salt and", " yeast."],
  ["The child laughed because the story was", " funny."],
  ["They took an umbrella because it was going to", " rain."],
  ["A year has twelve", " months."],
  ["Please close the", " window."],
  ["Cows give", " milk."],
  ["The train was late, so we had to", " wait."],
  ["We see with our eyes and hear with our", " ears."],
  ["Once upon a time there was a little", " girl."],
  ["I do not know the answer, but I will try to find", " out."],
  ["Birds have wings, and fish have", " fins."],
  ["In winter the days are short and the nights are", " long."],
  ["The book is on the", " table."],
  ["If you are tired, you should go to", " bed."],
  ["Thank you very", " much."],
];

/** Prompts with the words that should follow; measured by how likely the model finds them, before and after. */
export const regressionSet: readonly Example[] = pairs.map(([prompt, completion]) => ({
  prompt,
  completion,
}));
