import { type ClassValue, clsx } from "clsx";
import { twMerge } from "tailwind-merge";

/** Class names put together; of two Tailwind utilities for one property the later wins. */
export const cn = (...classes: ClassValue[]): string => twMerge(clsx(classes));
