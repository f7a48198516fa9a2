/** No paper carries two customers, whatever a browser made of the first. */

import { expect, it, vi } from "vitest";

import { print } from "../../src/screens/receipt";

it("a paper that was never printed is gone before the next one", () => {
  const page: unknown[] = [];
  const paper = (): HTMLElement => {
    const own: unknown = { remove: () => page.splice(page.indexOf(own), 1) };
    return own as HTMLElement;
  };
  const printed: number[] = [];
  vi.stubGlobal("document", { body: { append: (one: unknown) => page.push(one) } });
  vi.stubGlobal("window", {
    addEventListener: () => undefined, // no "afterprint": the browser printed nothing
    print: () => printed.push(page.length),
  });
  print(paper());
  print(paper());
  expect(printed).toEqual([1, 1]);
});
