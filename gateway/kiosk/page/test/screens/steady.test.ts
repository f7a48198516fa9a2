/** One sentence at a time, long enough to be read. */

import { expect, it } from "vitest";

import { Steady } from "../../src/screens/steady";

function at(): { steady: Steady<string | null>; take: (ms: number, value: string | null) => string | null } {
  let now = 0;
  const steady = new Steady<string | null>(() => now);
  return { steady, take: (ms, value) => ((now = ms), steady.take(value)) };
}

it("the first advice is shown at once, and nothing replaces it before it can be read", () => {
  const { take } = at();
  expect(take(0, "come-closer")).toBe("come-closer");
  expect(take(400, null)).toBe("come-closer");
  expect(take(1_100, null)).toBe("come-closer");
  expect(take(1_300, null)).toBe(null);
});

it("what one picture alone says is not shown", () => {
  const { take } = at();
  take(0, null);
  expect(take(2_000, "too-dark")).toBe(null);
  expect(take(2_050, null)).toBe(null);
  expect(take(2_400, "too-dark")).toBe(null);
  expect(take(2_750, "too-dark")).toBe("too-dark");
});
