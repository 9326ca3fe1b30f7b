import { InvalidArgumentError } from "commander";

/** A whole number above 0, as ids are written. */
export function positiveInteger(text: string): bigint {
  if (/^[1-9]\d{0,77}$/.test(text)) return BigInt(text);
  throw new InvalidArgumentError("This must be a whole number above 0.");
}

/** A whole number from 0. */
export function wholeNumber(text: string): bigint {
  if (/^(0|[1-9]\d{0,77})$/.test(text)) return BigInt(text);
  throw new InvalidArgumentError("This must be a whole number.");
}
