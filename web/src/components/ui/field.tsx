import { CheckIcon } from "lucide-react";
import { Checkbox as Primitive } from "radix-ui";
import { type ComponentProps, type ReactNode, useId } from "react";
import { cn } from "../../lib/cn.ts";

const box =
  "w-full rounded-md border bg-surface px-3 text-sm placeholder:text-quiet aria-invalid:border-bad disabled:opacity-60";

/** What every field has around it: a label, a hint, and what is wrong with its value. */
type Around = { label: ReactNode; hint?: ReactNode; error?: string | undefined };

function Surround({
  id,
  label,
  hint,
  error,
  className,
  children,
}: Around & { id: string; className?: string | undefined; children: ReactNode }) {
  return (
    <div className={cn("flex min-w-0 flex-col gap-1", className)}>
      <label htmlFor={id} className="text-sm font-medium">
        {label}
      </label>
      {children}
      {hint && !error && (
        <p id={`${id}-hint`} className="text-xs text-quiet">
          {hint}
        </p>
      )}
      {error && (
        <p id={`${id}-hint`} role="alert" className="text-xs text-bad">
          {error}
        </p>
      )}
    </div>
  );
}

const described = (id: string, { hint, error }: Around) => ({
  id,
  "aria-invalid": error ? true : undefined,
  "aria-describedby": hint || error ? `${id}-hint` : undefined,
});

/** One line of text or a number. */
export function TextField({ label, hint, error, className, ...rest }: Around & ComponentProps<"input">) {
  const id = useId();
  const around = { label, hint, error };
  return (
    <Surround id={id} {...around} className={className}>
      <input {...rest} {...described(id, around)} className={cn(box, "h-9")} />
    </Surround>
  );
}

/** Several lines of text. */
export function TextArea({ label, hint, error, className, ...rest }: Around & ComponentProps<"textarea">) {
  const id = useId();
  const around = { label, hint, error };
  return (
    <Surround id={id} {...around} className={className}>
      <textarea rows={4} {...rest} {...described(id, around)} className={cn(box, "py-2")} />
    </Surround>
  );
}

/** One of a few values. */
export function SelectField({
  label,
  hint,
  error,
  className,
  children,
  ...rest
}: Around & ComponentProps<"select">) {
  const id = useId();
  const around = { label, hint, error };
  return (
    <Surround id={id} {...around} className={className}>
      <select {...rest} {...described(id, around)} className={cn(box, "h-9")}>
        {children}
      </select>
    </Surround>
  );
}

/** Yes or no. */
export function CheckField({
  label,
  hint,
  className,
  ...rest
}: { label: ReactNode; hint?: ReactNode } & ComponentProps<typeof Primitive.Root>) {
  const id = useId();
  return (
    <div className={cn("flex items-start gap-2", className)}>
      <Primitive.Root
        {...rest}
        id={id}
        className="mt-0.5 flex size-5 shrink-0 items-center justify-center rounded border bg-surface data-[state=checked]:border-accent data-[state=checked]:bg-accent data-[state=checked]:text-on-accent"
      >
        <Primitive.Indicator>
          <CheckIcon className="size-3.5" strokeWidth={3} />
        </Primitive.Indicator>
      </Primitive.Root>
      <div>
        <label htmlFor={id} className="text-sm font-medium">
          {label}
        </label>
        {hint && <p className="text-xs text-quiet">{hint}</p>}
      </div>
    </div>
  );
}
