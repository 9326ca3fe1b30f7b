/** The world in which people have contributed, trained, asked and been paid: one for all tests of a process that need such a one. */
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { setting } from "./setting.ts";
import { populate } from "./world.ts";

/** Acts in the node's own name, as its configuration says. */
export const operator = privateKeyToAccount(generatePrivateKey());

/** Declares a test in the populated world. */
export const inBrowser = setting({ operators: [operator.address], closeTimeoutSeconds: 2 }, populate);
