import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { CliError, exitCodes } from "./errors.ts";

const script = new URL("../../scripts/test.ts", import.meta.url);

/** `openledger test [paths...]`: the work is in scripts/test.ts, which only a clone has. */
export function define(command: Command): void {
  command
    .argument("[paths...]", "test files or folders, such as src/protocol; everything when none is given")
    .action(async (paths: string[]) => {
      if (!existsSync(script)) {
        throw new CliError("This is an installed package, and the tests are not in it.", {
          expected: fileURLToPath(script),
          actual: "no such file",
          fix: ["Clone the repository and run './openledger test' there."],
          exitCode: exitCodes.unfit,
        });
      }
      const child = spawn(process.execPath, [fileURLToPath(script), ...paths], { stdio: "inherit" });
      const [code] = await once(child, "exit");
      if (code === exitCodes.usage) throw new CliError("Nothing was tested.", { exitCode: exitCodes.usage });
      if (code !== 0) throw new CliError("Some checks or tests failed; they are named above.");
    });
}
