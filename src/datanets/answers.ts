/** What the room's routes have in common in their descriptions. */
import type { z } from "zod";
import { errorOut } from "./schemas.ts";

export const json = <T extends z.ZodType>(schema: T, description: string) => ({
  content: { "application/json": { schema } },
  description,
});

export const jsonBody = <T extends z.ZodType>(schema: T) => ({
  required: true,
  content: { "application/json": { schema } },
});

export const failures = {
  400: json(errorOut, "The request is not right; the message says why"),
  403: json(errorOut, "Not allowed"),
  404: json(errorOut, "There is no such thing here"),
  409: json(errorOut, "It contradicts what is already here"),
  413: json(errorOut, "Too large"),
  415: json(errorOut, "Another content type is expected"),
};
