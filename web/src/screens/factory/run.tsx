import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { isOver, jobQuery, reportQuery } from "../../api/factory.ts";
import type { Schema } from "../../api/types.ts";
import { Amount } from "../../components/amount.tsx";
import { Curve } from "../../components/curve.tsx";
import { Address, ReleaseLink } from "../../components/hash.tsx";
import { Facts, Page, Stat, Stats } from "../../components/page.tsx";
import { Failure, Loaded } from "../../components/states.tsx";
import { Badge } from "../../components/ui/badge.tsx";
import { Button } from "../../components/ui/button.tsx";
import { Card } from "../../components/ui/card.tsx";
import { Progress } from "../../components/ui/progress.tsx";
import { When } from "../../components/when.tsx";
import { count, duration, figure } from "../../lib/format.ts";
import { Evaluation } from "../release/evaluation.tsx";
import { Controls } from "./controls.tsx";
import { type Curves, indexLeftMs, indexStages } from "./curves.ts";
import { Payment } from "./payment.tsx";
import { useCurves } from "./use-curves.ts";
import { Warnings } from "./warnings.tsx";

/** A fine-tuning job as it happens: curves, how far it is, what it found. */
export function RunPage() {
  const { job: id } = useParams({ strict: false }) as { job: string };
  const job = useQuery(jobQuery(id));
  return (
    <Page
      title={job.data?.spec.model ?? "Run"}
      trail={[{ label: "ModelFactory", to: "/factory" }]}
      lead={job.data && <Badge>{job.data.state}</Badge>}
      action={job.data && <Controls job={job.data} />}
    >
      <Loaded query={job} rows={8}>
        {(data) => <Run job={data} />}
      </Loaded>
    </Page>
  );
}

function Run({ job }: { job: Schema<"FineTune"> }) {
  const over = isOver(job.state);
  const { curves, error } = useCurves(job.id, !over);
  const report = useQuery({ ...reportQuery(job.id), enabled: job.evaluated !== null });
  // Who ended before the first step has nothing to draw.
  const drawn = curves.x.length > 0 || !(job.state === "failed" || job.state === "cancelled");
  return (
    <>
      {job.error !== null && <Failure error={new Error(job.error)} />}
      <Warnings warnings={job.warnings} />
      <HowFar job={job} curves={curves} />
      {job.payment !== null && <Payment job={job} payment={job.payment} step={curves.step} />}
      {error !== undefined && <Failure error={error} />}
      <Figures job={job} curves={curves} />
      <div className="grid items-start gap-5 xl:grid-cols-2">
        {drawn && (
          <>
            <Card
              heading="Loss"
              note="Nats per token, all tokens together; the held-out rows are never trained on."
            >
              <Curve
                label="Training and held-out loss by step"
                xLabel="Step"
                x={curves.x}
                series={[
                  { label: "training", values: curves.loss },
                  { label: "held out", values: curves.heldOut, dashed: true },
                ]}
              />
            </Card>
            <Card heading="Learning rate">
              <Curve
                label="Learning rate by step"
                xLabel="Step"
                x={curves.x}
                series={[{ label: "learning rate", values: curves.learningRate }]}
              />
            </Card>
            <Card heading="Gradient norm" note="Before it is clipped.">
              <Curve
                label="Gradient norm by step"
                xLabel="Step"
                x={curves.x}
                series={[{ label: "norm", values: curves.gradientNorm }]}
              />
            </Card>
          </>
        )}
        <Card heading="What was asked for">
          <Facts facts={wishesOf(job)} />
        </Card>
      </div>
      {job.evaluated !== null && (
        <Card heading="Base against tuned" note="Under each figure stands its 95 % interval over rows.">
          <Loaded query={report} rows={5}>
            {(data) => <Evaluation report={data} />}
          </Loaded>
        </Card>
      )}
      {job.releaseId !== null && (
        <Card
          heading="Released"
          note="The adapter that was evaluated is the adapter that answers."
          action={
            <Button asChild variant="primary">
              <Link to="/playground" search={{ model: job.spec.model } as never}>
                Ask it
              </Link>
            </Button>
          }
        >
          <ReleaseLink value={job.releaseId} />
        </Card>
      )}
    </>
  );
}

function HowFar({ job, curves }: { job: Schema<"FineTune">; curves: Curves }) {
  const { step, steps, leftMs, retrainings, indexing, evaluating } = curves;
  if (job.state === "training")
    return (
      <Progress
        label={
          steps === null ? "Reading the rows" : `Training: step ${count(step)} of at most ${count(steps)}`
        }
        done={step}
        total={steps ?? 1}
        {...(leftMs === null ? {} : { note: `at most ${duration(leftMs)} left` })}
      />
    );
  if (job.state === "evaluating" && evaluating !== null) {
    const { part, done, of, secondsLeft } = evaluating;
    return (
      <Progress
        label={`Base and tuned model are held against each other: ${part}`}
        done={done}
        total={of}
        {...(secondsLeft === null ? {} : { note: `about ${duration(1000 * secondsLeft)} left` })}
      />
    );
  }
  if (job.state === "calibrating" && retrainings !== null)
    return (
      <Progress
        label={`Calibrating: retraining ${count(retrainings.done)} of ${count(retrainings.of)}`}
        done={retrainings.done}
        total={retrainings.of}
        note={`${duration(1000 * retrainings.secondsLeft)} left`}
      />
    );
  if (job.state === "indexing" && indexing !== null) {
    const part = indexStages.indexOf(indexing.stage);
    const left = indexLeftMs(curves);
    return (
      <Progress
        label={`Pay index, part ${Math.max(0, part) + 1} of ${indexStages.length}: ${indexing.stage}`}
        done={Math.max(0, part) + (indexing.of > 0 ? indexing.done / indexing.of : 0)}
        total={indexStages.length}
        {...(left === null ? {} : { note: `about ${duration(left)} left of this part` })}
      />
    );
  }
  if (isOver(job.state)) return null;
  const said: Partial<Record<typeof job.state, string>> = {
    unpaid: "It waits to be paid for, as said below.",
    queued: "It waits for its turn: one job runs at a time, and owners take turns.",
    paused: "It is set aside; what it has trained is kept.",
    evaluating: "Base and tuned model are held against each other.",
    indexing: "The pay index is made: who is paid for which answers follows from it.",
    calibrating: "Retrainings will test whether the scores are right.",
    releasing: "The manifest is signed and registered on chain.",
  };
  return (
    <p role="status" className="rounded-lg border bg-surface p-3 text-sm">
      {said[job.state] ?? job.state}
    </p>
  );
}

function Figures({ job, curves }: { job: Schema<"FineTune">; curves: Curves }) {
  const { trained } = job;
  const last = curves.loss.findLast((value) => value !== null) ?? null;
  const held = curves.heldOut.filter((value) => value !== null);
  return (
    <Stats>
      <Stat label="Steps">
        {count(curves.step)}
        {curves.steps !== null && !trained && <span className="text-quiet"> of {count(curves.steps)}</span>}
      </Stat>
      <Stat label="Training loss">{last === null ? "–" : figure(last)}</Stat>
      <Stat
        label="Lowest held-out loss of an epoch"
        {...(curves.bestEpoch === null ? {} : { note: `after epoch ${curves.bestEpoch}` })}
      >
        {held.length === 0 ? "–" : figure(Math.min(...held))}
      </Stat>
      <Stat label="Speed">
        {curves.tokensPerSecond === null ? "–" : `${count(Math.round(curves.tokensPerSecond))} tokens/s`}
      </Stat>
      <Stat label="Trained for" note={<When ms={job.createdAtMs} />}>
        {trained ? duration(1000 * trained.seconds) : "–"}
      </Stat>
    </Stats>
  );
}

function wishesOf({ id, owner, spec }: Schema<"FineTune">) {
  const { recipe, datanets, price } = spec;
  return [
    [
      "Run",
      <span key="id" className="font-mono text-xs break-all">
        {id}
      </span>,
    ],
    [
      "Asked for by",
      owner === "operator" ? (
        "this node's operator"
      ) : /^0x[0-9a-f]{40}$/i.test(owner) ? (
        <Address key="owner" value={owner} />
      ) : (
        owner
      ),
    ],
    [
      "Data",
      <span key="data" className="flex flex-col">
        {datanets.map(({ datanetId, version }) => (
          <Link
            key={datanetId}
            to="/datanets/$id"
            params={{ id: datanetId }}
            search={{ version: String(version) } as never}
            className="text-accent hover:underline"
          >
            Datanet {datanetId}, version {version}
          </Link>
        ))}
      </span>,
    ],
    ["Goes on from", spec.continueFrom ?? "the base, anew"],
    ["Learning rate", String(recipe.learningRate)],
    ["Epochs, batch", `${recipe.epochs}, ${recipe.batch}`],
    ["Rank, alpha", `${recipe.rank}, ${recipe.alpha}`],
    ["Warm-up", `${count(recipe.warmupSteps)} steps`],
    ["Stops at the held-out optimum", recipe.stopAtOptimum ? `yes, patience ${recipe.patience}` : "no"],
    ["Retrainings for calibration", String(recipe.calibration.retrainings)],
    ["Seed", String(recipe.seed)],
    [
      "Price",
      <span key="price">
        <Amount wei={price.promptWeiPerToken} /> a token asked, <Amount wei={price.completionWeiPerToken} /> a
        token answered
      </span>,
    ],
    ["Released at its end", spec.publish ? "yes" : "no"],
  ] as const;
}
