export type { Registered } from "../modelfactory/index.ts";
