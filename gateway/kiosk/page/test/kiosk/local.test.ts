/** The token of an address works once, and stands in the address for no longer than it takes to
 * read it; the secret of a tab is this tab's alone. */

import { beforeEach, expect, it, vi } from "vitest";

import { enter, followAddress, LocalProcess, TOKEN_HEADER } from "../../src/kiosk/local";

const place = { hash: "", pathname: "/", reload: vi.fn() };
let kept: Map<string, string>;
let changed: () => void = () => undefined;
/** What the process takes, and what it took; as `gateway/kiosk/access.py`. */
let worth: Set<string>;
let given: string[];

const json = (body: object, status = 200): Response => new Response(JSON.stringify(body), { status });
const REFUSED = { status: 403, code: "PERMISSION_DENIED", message: "the request is refused" };

const process: typeof fetch = async (path, init) => {
  expect([path, init!.method]).toEqual(["/tab", "POST"]);
  expect(place.hash, "the token is out of the address before anything else").toBe("");
  const secret = (init!.headers as Record<string, string>)[TOKEN_HEADER]!;
  given.push(secret);
  if (!worth.delete(secret)) return json(REFUSED, 403);
  worth.add(`${secret}+`);
  return json({ secret: `${secret}+` });
};
/** After the page's own answers. */
const settled = (): Promise<void> => new Promise((done) => setTimeout(done, 0));

beforeEach(() => {
  kept = new Map();
  worth = new Set(["first"]);
  given = [];
  place.hash = "#first";
  place.reload.mockReset();
  vi.stubGlobal("location", place);
  vi.stubGlobal("document", {});
  vi.stubGlobal("history", { replaceState: () => (place.hash = "") });
  vi.stubGlobal("sessionStorage", {
    getItem: (name: string) => kept.get(name) ?? null,
    setItem: (name: string, value: string) => kept.set(name, value),
    removeItem: (name: string) => kept.delete(name),
  });
  vi.stubGlobal("addEventListener", (_: string, then: () => void) => (changed = then));
});

it("a token is exchanged, and is kept nowhere", async () => {
  expect(await enter(process)).toEqual({ secret: "first+" });
  expect([...kept.values()]).toEqual(["first+"]);
});

it("a tab that is loaded again goes on with a secret of its own", async () => {
  await enter(process);
  expect(await enter(process)).toEqual({ secret: "first++" });
  expect([...kept.values()]).toEqual(["first++"]);
});

it("a used address is told from none, and a worthless secret is dropped", async () => {
  await enter(process);
  kept.clear();
  place.hash = "#first";
  expect(await enter(process)).toBe("used");
  expect(await enter(process)).toBe("elsewhere");
  kept.set("sealmatch-kiosk-tab", "of an earlier start");
  expect(await enter(process)).toBe("elsewhere");
  expect(kept.size).toBe(0);
});

it("a used address in the tab that used it goes on", async () => {
  await enter(process);
  place.hash = "#first";
  expect(await enter(process)).toEqual({ secret: "first++" });
});

it("a page that is loaded on suspicion waits until it is looked at", async () => {
  let look: () => void = () => undefined;
  const page = { prerendering: true, addEventListener: (_: string, then: () => void) => (look = then) };
  vi.stubGlobal("document", page);
  const entering = enter(process);
  await settled();
  expect(given).toEqual([]);
  look();
  expect(await entering).toEqual({ secret: "first+" });
});

it("a new address in the tab of an earlier one loads the page anew", async () => {
  await enter(process);
  followAddress(process);
  worth.add("second");
  place.hash = "#second";
  changed();
  await settled();
  expect(place.hash).toBe("");
  expect(place.reload).toHaveBeenCalledOnce();
  expect(await enter(process)).toEqual({ secret: "second++" });
});

it("the same address once more interrupts nobody", async () => {
  await enter(process);
  followAddress(process);
  place.hash = "#first";
  changed();
  await settled();
  expect(place.hash).toBe("");
  expect(place.reload).not.toHaveBeenCalled();
});

it("a document is forgotten by its handle, also when the tab closes", async () => {
  const sent: RequestInit[] = [];
  const local = new LocalProcess("secret", "", async (_, init) => {
    sent.push(init!);
    return json({});
  });
  await local.forgetDocument("0a".repeat(16));
  await local.settings();
  expect(sent.map(({ method, keepalive }) => [method, keepalive])).toEqual([
    ["DELETE", true],
    ["GET", false],
  ]);
  expect(new TextDecoder().decode(sent[0]!.body as Uint8Array)).toBe(`{"handle":"${"0a".repeat(16)}"}`);
});

it("a tab hears that it is the counter no more, and not that something was refused", async () => {
  const lost = vi.fn();
  const answers = [
    json({ ...REFUSED, code: "KIOSK.REFUSED" }, 403),
    new Response(JSON.stringify(REFUSED), { status: 403, headers: { "x-sealmatch-answered-by": "gateway" } }),
    json(REFUSED, 403),
  ];
  const local = new LocalProcess("secret", "", async () => answers.shift()!, lost);
  await expect(local.issue(new Uint8Array())).rejects.toMatchObject({ code: "KIOSK.REFUSED" });
  expect((await local.forward("GET", "/x", null, {})).status).toBe(403);
  expect(lost).not.toHaveBeenCalled();
  await expect(local.settings()).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
  expect(lost).toHaveBeenCalledOnce();
});
