import { rounded } from "../common/measure.ts";

/** An estimate as it is printed: a mean and its 95 % interval, to four digits. */
export type Figure = { mean: number; lo: number; hi: number };

export const figure = ({ mean, lo, hi }: Figure): Figure => ({
  mean: rounded(mean, 4),
  lo: rounded(lo, 4),
  hi: rounded(hi, 4),
});
