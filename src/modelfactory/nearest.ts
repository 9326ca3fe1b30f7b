/** The name that somebody meant who wrote another. */

/** Longer words are nobody's slip, and would take their time. */
const lengthMax = 40;

/** How many letters are to be put in, left out or exchanged: Levenshtein's distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(
        Math.min(
          (row[j] as number) + 1,
          (next[j - 1] as number) + 1,
          (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1),
        ),
      );
    row = next;
  }
  return row[b.length] as number;
}

/** The name that differs least from what was written, in at most a third of its letters; capitals and underscores do not count. */
export function nearest(written: string, names: readonly string[]): string | undefined {
  if (written.length > lengthMax) return undefined;
  const plain = (name: string) => name.toLowerCase().replace(/[_-]/g, "");
  const [best] = names
    .map((name) => ({ name, far: distance(plain(written), plain(name)) }))
    .sort((a, b) => a.far - b.far);
  return best !== undefined && best.far <= Math.floor(best.name.length / 3) ? best.name : undefined;
}
