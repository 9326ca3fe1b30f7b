/** An estimate as it is printed: a mean and its 95 % interval, to four digits. */
export type Figure = { mean: number; lo: number; hi: number };

export const figure = ({ mean, lo, hi }: Figure): Figure => {
  const short = (x: number) => Number(x.toFixed(4));
  return { mean: short(mean), lo: short(lo), hi: short(hi) };
};
