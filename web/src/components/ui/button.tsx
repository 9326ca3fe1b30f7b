import { cva, type VariantProps } from "class-variance-authority";
import { Slot } from "radix-ui";
import type { ComponentProps } from "react";
import { cn } from "../../lib/cn.ts";

const button = cva(
  "inline-flex shrink-0 items-center justify-center gap-1.5 rounded-md font-medium whitespace-nowrap transition-colors disabled:pointer-events-none disabled:opacity-55 [&_svg]:size-4",
  {
    variants: {
      variant: {
        // What is quiet on the page, such as the unit of an amount, could not be read on the accent.
        primary: "bg-accent text-on-accent hover:brightness-110 [&_.text-quiet]:text-inherit",
        secondary: "border bg-surface text-text hover:bg-sunken",
        quiet: "text-quiet hover:bg-sunken hover:text-text",
        danger: "border border-bad/40 text-bad hover:bg-bad-soft",
        link: "h-auto! px-0! text-accent underline-offset-3 hover:underline",
      },
      size: { small: "h-8 px-2.5 text-sm", medium: "h-9 px-3.5 text-sm", icon: "size-9" },
    },
    defaultVariants: { variant: "secondary", size: "medium" },
  },
);

/** A button; with `asChild` its one child, a link mostly, looks like it. */
export function Button({
  variant,
  size,
  asChild,
  className,
  ...rest
}: ComponentProps<"button"> & VariantProps<typeof button> & { asChild?: boolean }) {
  const Made = asChild ? Slot.Root : "button";
  return (
    <Made
      {...(asChild ? {} : { type: "button" as const })}
      {...rest}
      className={cn(button({ variant, size }), className)}
    />
  );
}
