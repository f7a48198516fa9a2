/** The token of a start is in no address for longer than it takes to read it. */

import { beforeEach, expect, it, vi } from "vitest";

import { followToken, LocalProcess, takeToken } from "../../src/kiosk/local";

const place = { hash: "", pathname: "/", reload: vi.fn() };
let changed: () => void = () => undefined;

beforeEach(() => {
  const kept = new Map<string, string>();
  place.hash = "#first";
  place.reload.mockReset();
  vi.stubGlobal("location", place);
  vi.stubGlobal("history", { replaceState: () => (place.hash = "") });
  vi.stubGlobal("sessionStorage", {
    getItem: (name: string) => kept.get(name) ?? null,
    setItem: (name: string, value: string) => kept.set(name, value),
  });
  vi.stubGlobal("addEventListener", (_: string, then: () => void) => (changed = then));
});

it("is taken out of the address, and kept for this tab", () => {
  expect(takeToken()).toBe("first");
  expect(place.hash).toBe("");
  expect(takeToken()).toBe("first");
});

it("is taken as well where a new start's address is opened in the tab of an earlier one", () => {
  takeToken();
  followToken();
  place.hash = "#second";
  changed();
  expect(place.hash).toBe("");
  expect(place.reload).toHaveBeenCalledOnce();
  expect(takeToken()).toBe("second");
});

it("the same address once more interrupts nobody", () => {
  takeToken();
  followToken();
  place.hash = "#first";
  changed();
  expect(place.hash).toBe("");
  expect(place.reload).not.toHaveBeenCalled();
});

it("a document is forgotten also when the tab closes", async () => {
  const sent: RequestInit[] = [];
  const process = new LocalProcess("token", "", async (_, init) => {
    sent.push(init!);
    return new Response("{}");
  });
  await process.forgetDocument();
  await process.settings();
  expect(sent.map(({ method, keepalive }) => [method, keepalive])).toEqual([
    ["DELETE", true],
    ["GET", false],
  ]);
});
