/** Seeded randomness: the same seed gives the same numbers on every machine. */

export type Random = {
  /** Uniform in [0, 1), with 53 random bits. */
  uniform(): number;
  /** Uniform integer in [0, bound). */
  below(bound: number): number;
  /** Standard normal. */
  normal(): number;
};

const mask = 0xffffffffffffffffn;

/**
 * xoshiro128** (Blackman and Vigna, 2018), seeded by SplitMix64 from an integer and an optional stream number.
 *
 * @example
 * createRandom(7).below(10)
 * // 3
 */
export function createRandom(seed: number, stream = 0): Random {
  let z = (BigInt(seed) * 0x9e3779b97f4a7c15n + BigInt(stream) * 0xd1342543de82ef95n) & mask;
  const next64 = () => {
    z = (z + 0x9e3779b97f4a7c15n) & mask;
    let x = z;
    x = ((x ^ (x >> 30n)) * 0xbf58476d1ce4e5b9n) & mask;
    x = ((x ^ (x >> 27n)) * 0x94d049bb133111ebn) & mask;
    return x ^ (x >> 31n);
  };
  const first = next64();
  const second = next64();
  let a = Number(first & 0xffffffffn);
  let b = Number(first >> 32n);
  let c = Number(second & 0xffffffffn);
  let d = Number(second >> 32n) || 1;
  const rotate = (x: number, k: number) => (x << k) | (x >>> (32 - k));
  const next32 = () => {
    const result = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = rotate(d, 11);
    return result;
  };
  let spare: number | undefined;
  const uniform = () => ((next32() >>> 5) * 67108864 + (next32() >>> 6)) / 9007199254740992;
  return {
    uniform,
    below: (bound) => Math.floor(uniform() * bound),
    normal() {
      if (spare !== undefined) {
        const value = spare;
        spare = undefined;
        return value;
      }
      const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
      const angle = 2 * Math.PI * uniform();
      spare = radius * Math.sin(angle);
      return radius * Math.cos(angle);
    },
  };
}

/** Shuffles in place (Fisher–Yates) and returns the array. */
export function shuffle<T>(items: T[], random: Random): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    const held = items[i] as T;
    items[i] = items[j] as T;
    items[j] = held;
  }
  return items;
}
