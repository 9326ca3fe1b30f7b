/** One job for each point of a grid over recipes, and what came of them side by side. None of them is released: the best is duplicated. */
import { z } from "zod";
import { whatIsWrong } from "../protocol/index.ts";
import type { Queries } from "../store/index.ts";
import { ModelFactoryError } from "./errors.ts";
import { type EvaluationReport, type HeldOutLoss, heldOutLossOf } from "./evaluation.ts";
import { type FineTuningJob, sameJson } from "./job.ts";
import { onlyFields, type Recipe, type RecipeInput, recipeSchema } from "./recipe.ts";

const pointsMax = 64;
const valuesMax = 16;

/** Values to try of each field. */
export const gridSchema = z.partialRecord(
  recipeSchema.keyof(),
  z.array(z.unknown()).min(1).max(valuesMax),
  onlyFields("a recipe", () => recipeSchema.shape),
);
export type Grid = Partial<Record<keyof Recipe, readonly unknown[]>>;

/** A point of a grid: what is varied, and the whole recipe. */
export type GridPoint = { readonly varied: Partial<Record<keyof Recipe, unknown>>; readonly recipe: Recipe };

/** Every combination of the grid's values over a recipe, the last field varying fastest. @throws ModelFactoryError `bad-recipe` */
export function expandGrid(recipe: RecipeInput, grid: Grid): GridPoint[] {
  const refuse = (what: string) => new ModelFactoryError("bad-recipe", what);
  const fields = Object.entries(grid) as [keyof Recipe, readonly unknown[]][];
  const count = fields.reduce((product, [, values]) => product * values.length, 1);
  if (fields.length === 0)
    throw refuse("A sweep needs a field to vary, such as learningRate: [0.001, 0.003].");
  if (count > pointsMax) throw refuse(`The grid has ${count} points; a sweep has at most ${pointsMax}.`);
  return Array.from({ length: count }, (_, point) => {
    let rest = point;
    const chosen = fields.toReversed().map(([field, values]) => {
      const value = values[rest % values.length];
      rest = Math.floor(rest / values.length);
      return [field, value] as const;
    });
    const varied = Object.fromEntries(chosen.toReversed());
    const checked = recipeSchema.safeParse({ ...recipe, ...varied });
    if (!checked.success)
      throw refuse(`The grid's ${JSON.stringify(varied)} is no recipe: ${whatIsWrong(checked.error)}.`);
    return { varied, recipe: checked.data };
  });
}

/** A point of a sweep that has been run, or will be. Losses are nats per token, with a 95 % interval where the job has been evaluated. */
export type SweepRow = {
  readonly job: string;
  readonly state: FineTuningJob["state"];
  readonly varied: GridPoint["varied"];
  readonly heldOutLoss: HeldOutLoss | null;
  readonly exact: number | null;
  readonly rougeL: number | null;
  /** Of general prompts, tuned less base: what was forgotten. */
  readonly forgotten: number | null;
  readonly trainingLoss: number | null;
  readonly seconds: number | null;
};

/** The lowest held-out loss first; those that have none yet last. */
export function compareJobs(
  found: readonly { job: FineTuningJob; varied: GridPoint["varied"]; report: EvaluationReport | undefined }[],
): SweepRow[] {
  return found
    .map(({ job, varied, report }): SweepRow => {
      return {
        ...{ job: job.id, state: job.state, varied },
        heldOutLoss: report === undefined ? null : heldOutLossOf(report),
        exact: report === undefined ? null : report.heldOut.exact.tuned.mean / 1e6,
        rougeL: report?.answers ? report.answers.rougeL.tuned.mean / 1e6 : null,
        forgotten: report?.regression ? report.regression.loss.difference.mean / 1e6 : null,
        trainingLoss: job.trained?.lossLast ?? null,
        seconds: job.trained?.seconds ?? null,
      };
    })
    .sort(
      (a, b) =>
        (a.heldOutLoss?.mean ?? Number.POSITIVE_INFINITY) - (b.heldOutLoss?.mean ?? Number.POSITIVE_INFINITY),
    );
}

const pointsSchema = z.array(z.strictObject({ job: z.string(), varied: z.record(z.string(), z.unknown()) }));
export type SweepPoints = z.output<typeof pointsSchema>;

/** @throws ModelFactoryError `unknown-job` */
export async function readSweep(queries: Queries, id: string): Promise<SweepPoints> {
  const points = await findSweep(queries, id);
  if (points === undefined) throw new ModelFactoryError("unknown-job", `There is no sweep "${id}".`);
  return points;
}

async function findSweep(queries: Queries, id: string): Promise<SweepPoints | undefined> {
  const [row] = await queries.query<{ points: unknown }>(
    "select points from modelfactory.sweeps where id = $1",
    [id],
  );
  return row === undefined ? undefined : pointsSchema.parse(row.points);
}

/** Writes a sweep down; the same again changes nothing. @throws ModelFactoryError `job-exists`: the id is another sweep's */
export async function writeSweep(
  queries: Queries,
  id: string,
  points: SweepPoints,
  atMs: number,
): Promise<void> {
  const before = await findSweep(queries, id);
  if (before !== undefined && !sameJson(before, points))
    throw new ModelFactoryError(
      "job-exists",
      `There is a sweep "${id}" already, and its grid is another. Choose another id, or leave it out.`,
    );
  await queries.query(
    "insert into modelfactory.sweeps (id, points, created_at_ms) values ($1, $2, $3) on conflict (id) do nothing",
    [id, JSON.stringify(points), atMs],
  );
}
