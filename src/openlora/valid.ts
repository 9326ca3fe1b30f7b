/** Checks at the room's edge. */
import { z } from "zod";
import { OpenLoraError } from "./errors.ts";

/** What `schema` makes of `value`. @throws OpenLoraError `invalid-request`, naming what is wrong where */
export function valid<S extends z.ZodType>(schema: S, value: unknown, what: string): z.output<S> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new OpenLoraError(
    "invalid-request",
    `${what} cannot be understood: ${z.prettifyError(parsed.error)}`,
  );
}
