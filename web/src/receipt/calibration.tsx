import { Badge } from "../components/ui/badge.tsx";

type Calibration = { status: string; label: string } | null;
const tones = { separates: "good", "not-separated": "wait", unmeasured: "wait" } as const;

/** Whether a release's scores foretell retraining: the release's own words, of which the first say it plainly. */
export function CalibrationNote({ calibration }: { calibration: Calibration }) {
  if (calibration === null) return null;
  const [, verdict, figures] = /^([^:]+): (.*)$/s.exec(calibration.label) ?? [null, calibration.label, ""];
  return (
    <p className="flex flex-wrap items-baseline gap-x-2 gap-y-1 text-sm">
      <Badge tone={tones[calibration.status as keyof typeof tones] ?? "quiet"}>{verdict}</Badge>
      <span className="text-quiet">{figures}</span>
    </p>
  );
}
