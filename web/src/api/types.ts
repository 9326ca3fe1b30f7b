import type { components } from "./schema.d.ts";

/** A named schema of the node's OpenAPI document. */
export type Schema<Name extends keyof components["schemas"]> = components["schemas"][Name];
