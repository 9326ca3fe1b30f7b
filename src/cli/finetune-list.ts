/** `openledger finetune list`: which jobs there are. */
import type { Command } from "commander";
import type { JobJson } from "./finetune-view.ts";
import { connect } from "./http.ts";
import type { Io } from "./io.ts";
import { subcommand } from "./subcommand.ts";
import { table } from "./table.ts";

type PageJson = { readonly data: readonly JobJson[]; readonly next: string | null };

/** Adds the subcommand to `openledger finetune`. */
export function defineList(command: Command, io: Io): void {
  subcommand(command, "list", "List jobs, newest first")
    .option("--after <job>", "those that were asked for before this one")
    .action(async ({ after }: { after?: string }) => {
      const query = after === undefined ? "" : `?after=${encodeURIComponent(after)}`;
      const page = await connect().get<PageJson>(`/v1/fine-tunes${query}`);
      io.result(page, showPage(page));
    });
}

function showPage({ data, next }: PageJson): string {
  const [first] = data;
  if (first === undefined) return "There is no job.\n→ ./openledger finetune --datanet 1@1 --model <name>";
  return [
    table(data, [
      ["job", ({ id }) => id],
      ["model", ({ spec }) => spec.model],
      ["state", ({ state }) => state],
      [
        "mean loss of rows",
        ({ heldOutLoss }) => (heldOutLoss === null ? "–" : heldOutLoss.mean.toFixed(3)),
        "number",
      ],
      ["asked for", ({ createdAtMs }) => new Date(createdAtMs).toISOString().slice(0, 16).replace("T", " ")],
    ]),
    next === null
      ? `→ ./openledger finetune --job ${first.id}`
      : `→ ./openledger finetune list --after ${next}`,
  ].join("\n");
}
