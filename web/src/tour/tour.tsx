import { useNavigate } from "@tanstack/react-router";
import { Button } from "../components/ui/button.tsx";
import { tourSteps } from "./steps.ts";
import { goTo, startTour, useTour } from "./tour.ts";

/**
 * The first look, above what it speaks of: it covers nothing and holds nobody, and points at real controls by a ring around them. It is there from
 * the first paint on, and its steps are of one height where there is room, so that nothing jumps.
 */
export function Tour() {
  const at = useTour();
  const navigate = useNavigate();
  if (at === "done") return null;
  const step = typeof at === "number" ? tourSteps[at] : undefined;
  const last = at === tourSteps.length - 1;

  function move(next: number) {
    goTo(next);
    const to = tourSteps[next]?.to;
    if (to !== undefined) void navigate({ to });
  }
  return (
    <section
      aria-label="First look"
      className="mx-4 mt-4 flex flex-wrap items-center justify-between gap-x-6 gap-y-2 rounded-lg border border-accent/40 bg-surface px-4 py-3 text-sm sm:mx-8"
    >
      <div aria-live="polite" className="min-h-10 min-w-0 flex-1 basis-80">
        <p className="flex items-baseline gap-2">
          <span className="font-semibold">{step ? step.title : "First time here?"}</span>
          {step && (
            <span className="text-xs text-quiet">
              {Number(at) + 1} of {tourSteps.length}
            </span>
          )}
        </p>
        <p className="text-quiet max-sm:min-h-15">
          {step
            ? step.text
            : "Six short steps show how what you know becomes an answer, and the answer your pay."}
        </p>
      </div>
      <div className="flex flex-wrap gap-2">
        {typeof at === "number" ? (
          <>
            <Button size="small" variant="primary" onClick={() => move(at + 1)}>
              {last ? "Done" : "Next"}
            </Button>
            <Button
              size="small"
              // Not disabled: whoever steps back with the keyboard keeps the focus.
              aria-disabled={at === 0}
              className={at === 0 ? "opacity-55" : ""}
              onClick={() => at > 0 && move(at - 1)}
            >
              Back
            </Button>
            <Button size="small" variant="quiet" onClick={() => goTo("done")}>
              Skip
            </Button>
          </>
        ) : (
          <>
            <Button
              size="small"
              variant="primary"
              onClick={() => {
                startTour();
                void navigate({ to: "/" });
              }}
            >
              Look around
            </Button>
            <Button size="small" variant="quiet" onClick={() => goTo("done")}>
              Skip
            </Button>
          </>
        )}
      </div>
    </section>
  );
}
