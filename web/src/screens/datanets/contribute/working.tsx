import { Button } from "../../../components/ui/button.tsx";
import { Card } from "../../../components/ui/card.tsx";
import { Progress } from "../../../components/ui/progress.tsx";
import { duration } from "../../../lib/format.ts";

/** A task under way; `stage` is what of it happens now, begun when the task itself or its sending was. */
export type Work = { label: string; stage: string; done: number; total: number; startedMs: number };
/** How far it is, about how long it takes on, and a way to stop it. */
export function Working({ work, onStop }: { work: Work; onStop: () => void }) {
  const { label, stage, done, total, startedMs } = work;
  const spent = Date.now() - startedMs;
  const left =
    total > 0 && done > 0 && done < total ? `about ${duration((spent * (total - done)) / done)} left` : "";
  const note = [stage, left].filter((part) => part !== "").join(", ");
  return (
    <Card>
      <div role="status" className="flex items-center gap-4">
        <div className="min-w-0 flex-1">
          <Progress label={label} done={done} total={total} note={note} />
        </div>
        <Button onClick={onStop}>Stop</Button>
      </div>
    </Card>
  );
}
