/** Medians and the like, with Python's rules for ties and rounding. */

const ascending = (values: readonly number[]): number[] => [...values].sort((a, b) => a - b);

/** The value in the middle; of an even number of values the mean of the two. */
export function median(values: readonly number[]): number {
  const sorted = ascending(values);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

/** The value in the middle; of an even number of values the upper one. */
export const middle = (values: readonly number[]): number => ascending(values)[values.length >> 1]!;

/** The second highest: a single view may be wrong. */
export const second = (values: readonly number[]): number => ascending(values).at(-2)!;

/** The first of those with the highest measure. `items` must not be empty. */
export function firstBest<T>(items: readonly T[], measure: (item: T) => number): T {
  return items.reduce((best, item) => (measure(item) > measure(best) ? item : best));
}

/** To the nearest integer, halves to the even one. */
export function rounded(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

/** How often each value occurs; the most frequent one, of several the first. */
export function mostCommon<T>(values: readonly T[]): T | undefined {
  const counts = new Map<T, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  let best: T | undefined;
  for (const [value, count] of counts) {
    if (best === undefined || count > counts.get(best)!) best = value;
  }
  return best;
}
