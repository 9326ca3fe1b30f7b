/** The third step: the index that every answer's payments come from. */

import { join } from "node:path";
import { type Address, canonicalJson, encodeRow } from "../../protocol/index.ts";
import { temporaryFolder } from "../../store/index.ts";
import { calibrationQueries } from "../calibration.ts";
import type { FineTuningJob } from "../job.ts";
import type { Rows } from "../job-rows.ts";
import type { RunJobParts } from "../parts.ts";
import { decimalFraction, type Indexed, type Trained } from "../release.ts";
import { adapterOf, bytes } from "./files.ts";

export async function index(
  parts: RunJobParts,
  { id, spec }: FineTuningJob,
  rows: Rows,
  trained: Trained,
): Promise<Indexed> {
  const { blobs, journal, log } = parts;
  await using folder = await temporaryFolder("explain");
  const explainFile = join(folder.path, "explain");
  const result = await (await parts.training()).call(
    "index",
    {
      recipe: spec.recipe,
      adapter: await adapterOf(parts, trained),
      moments: await blobs.get(trained.moments),
      steps: trained.steps,
      examples: rows.examples,
      contributorOf: rows.contributorOf,
      contributors: rows.contributors.length,
      heldOut: rows.heldOut,
      explainFile,
      calibration:
        spec.recipe.calibration.retrainings === 0
          ? null
          : {
              retrainings: spec.recipe.calibration.retrainings,
              queries: calibrationQueries(spec, rows.heldOut),
            },
    },
    {
      onEvent: (event: Record<string, unknown>) =>
        void journal
          .record(id, "index", event)
          .catch((error: Error) => log(`Job ${id}: an event was not recorded: ${error.message}`)),
    },
  );
  return {
    basis: await blobs.put(result.basis),
    rows: await blobs.put(Buffer.concat(result.rows.map((row) => encodeRow(row)))),
    contributors: result.contributorOfRow.map((c) => rows.contributors[c] as Address),
    examplesPerRow: result.examplesPerRow,
    nullRows: result.rows.length - result.contributorOfRow.length,
    k: result.k,
    scale: decimalFraction(result.scale),
    thresholdMillionths: result.thresholdMillionths,
    falseDiscovery: result.report.falseDiscovery,
    // JSON has no infinity: where no null row ever scores, chance reaches nowhere, and a hundred times as far says as much.
    chance: Math.min(result.report.chance, 100),
    heldOut: result.report.heldOut,
    fisherRows: result.report.fisherRows,
    bytes: result.report.bytes,
    seconds: result.report.seconds,
    foretold: result.foretold === null ? null : await blobs.put(bytes(result.foretold)),
    clusters: await blobs.put(new TextEncoder().encode(canonicalJson({ clusters: result.clusters }))),
    explain: await blobs.putFile(explainFile),
  };
}
