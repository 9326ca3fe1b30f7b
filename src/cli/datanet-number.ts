import { InvalidArgumentError } from "commander";

/** Checks the number of a Datanet. */
export function datanetNumber(text: string): string {
  if (/^[1-9]\d{0,77}$/.test(text)) return text;
  throw new InvalidArgumentError("A Datanet is named by its number, such as 1.");
}
