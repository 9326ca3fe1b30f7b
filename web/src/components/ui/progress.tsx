import { Progress as Primitive } from "radix-ui";

type Props = { label: string; done: number; total: number; note?: string };

/** How far a long task is; `note` says what is being done and how long it will take. */
export function Progress({ label, done, total, note }: Props) {
  const share = total > 0 ? Math.min(1, done / total) : 0;
  return (
    <div className="flex flex-col gap-1">
      <div className="flex flex-wrap justify-between gap-x-4 text-sm">
        <span>{label}</span>
        <span className="text-quiet">
          {Math.floor(100 * share)} %{note ? ` · ${note}` : ""}
        </span>
      </div>
      <Primitive.Root
        value={Math.floor(100 * share)}
        aria-label={label}
        className="h-2 overflow-hidden rounded-full bg-sunken"
      >
        <Primitive.Indicator
          className="h-full origin-left bg-accent transition-transform"
          style={{ transform: `scaleX(${share})` }}
        />
      </Primitive.Root>
    </div>
  );
}
