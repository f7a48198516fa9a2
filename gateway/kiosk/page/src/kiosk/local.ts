/**
 * How the page speaks to the process that serves it: the only address it may reach.
 *
 * The process gave the page's address a token behind `#`, which no request carries and no other site
 * can read. It works once: the page takes it out of the address at once, and exchanges it for a
 * secret of this tab, which goes along in a header. A tab that is loaded again exchanges its secret
 * for a new one. So the counter is one tab, the one that was opened or loaded last, and what another
 * program finds of an address or in the browser's files is worth nothing by then.
 */

import type { KioskSettings, Language } from "./settings";

export const TOKEN_HEADER = "x-sealmatch-kiosk";
/** Who made an answer to a forwarded request: the gateway, or the process in its place. */
export const ANSWERED_BY = "x-sealmatch-answered-by";
/** This tab's secret, for when it is loaded again. */
const KEPT = "sealmatch-kiosk-tab";
/** The code of a problem that no process told: none answers. */
export const GONE = "KIOSK.GONE";

/** What the process refuses, or could not do. `code` names the reason for programs. */
export class KioskProblem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    /** One sentence for the person at the counter, in the language that was asked for. */
    readonly advice: string | null,
  ) {
    super(message);
  }
}

/** Why a tab is not the counter: its address was opened before, or it has none. */
export type Outside = "used" | "elsewhere";

type Ask = typeof fetch;
const ours: Ask = (...given) => fetch(...given);

/**
 * This tab's secret, for the token of its address or for the secret of its earlier load. What is in
 * the address is gone from there before anything else happens.
 */
export async function enter(ask: Ask = ours): Promise<{ secret: string } | Outside> {
  const token = takeToken();
  await shown();
  for (const given of [token, sessionStorage.getItem(KEPT) ?? ""]) {
    const secret = given === "" ? null : await exchanged(given, ask);
    if (secret !== null) return { secret };
  }
  sessionStorage.removeItem(KEPT);
  return token === "" ? "elsewhere" : "used";
}

/**
 * A new address, opened in the tab of an earlier one, differs behind `#` alone: the browser keeps
 * the page, and shows the token. So it is taken here too, and the page loaded anew. One that was
 * used before interrupts nobody.
 */
export function followAddress(ask: Ask = ours): void {
  addEventListener("hashchange", () => {
    const token = takeToken();
    if (token === "") return;
    void exchanged(token, ask).then((secret) => secret !== null && location.reload());
  });
}

function takeToken(): string {
  const token = location.hash.slice(1);
  if (token !== "") history.replaceState(null, "", location.pathname);
  return token;
}

/** A fresh secret, kept for the next load; null: what was given is worth nothing. */
async function exchanged(given: string, ask: Ask): Promise<string | null> {
  const answer = await ask("/tab", { method: "POST", headers: { [TOKEN_HEADER]: given }, ...BARE }).catch(
    () => null,
  );
  if (!answer?.ok) return null;
  const { secret } = (await answer.json()) as { secret: string };
  sessionStorage.setItem(KEPT, secret);
  return secret;
}

/** Until the page is looked at: a browser that loads it on suspicion must not use its address up. */
async function shown(): Promise<void> {
  const page = document as Document & { readonly prerendering?: boolean };
  if (!page.prerendering) return;
  await new Promise((done) => page.addEventListener("prerenderingchange", done, { once: true }));
}

const BARE = {
  cache: "no-store",
  credentials: "omit",
  redirect: "error",
  referrerPolicy: "no-referrer",
} as const;

export interface ForwardedAnswer {
  /** False: the process could not reach the gateway, and says so in its place. */
  fromGateway: boolean;
  status: number;
  contentType: string;
  retryAfter: string;
  /** The gateway's header `Date`. */
  date: string;
  content: Uint8Array;
}

/** A document as it is named to the process: a number that was typed, or a machine-readable zone. */
export interface NamedDocument {
  kind?: string;
  number?: string;
  zone?: string;
}

export interface ReadRequest extends NamedDocument {
  language: Language;
  /** The agent's word that a guardian agrees in the person's place. */
  minor?: boolean;
  guardian?: NamedDocument;
}

/** What the process read. It holds the portrait's template itself, under `handle`. */
export interface ReadDocument {
  /** Hex, 16 bytes; for `issueTemplate`. It counts until another document is read. */
  handle: string;
  kind: string;
  documentType: string;
  /** The number in its normal form, for the check of the receipt's opening. */
  number: string;
  /** ISO date, if the document states one that is known. */
  expires: string | null;
  /** How the portrait was authenticated. */
  how: "chip-verified" | "mobile-verified" | "read" | "photographed";
  /** Name of the file that the portrait came from, or of those of a chip or of a telephone's session. */
  file: string;
  /** What the agent must know of it, as a sentence; null: nothing. */
  notice: string | null;
  minor: boolean;
  /** Whether a guardian's document was given with it. */
  guardian: boolean;
  /** What this counter remembers of mismatches, as a sentence; null: none. */
  standing: string | null;
}

export interface IssuedTemplate {
  sealedTemplate: Uint8Array;
  sealedDealing: Uint8Array;
  assertion: Uint8Array;
  subjectSalt: Uint8Array;
  guardianCommitment: Uint8Array | null;
}

/** The process, as the tab with this secret asks it. */
export class LocalProcess {
  constructor(
    private readonly secret: string,
    private readonly base: string = "",
    private readonly ask: Ask = ours,
    /** Called when this tab is the counter no more: another one was opened. */
    private readonly lost: () => void = () => undefined,
  ) {}

  async settings(): Promise<KioskSettings> {
    return (await (await this.call("GET", "/kiosk.json")).json()) as KioskSettings;
  }

  /** Read the document that lies at the reader. Throws `KioskProblem`. */
  async readDocument(request: ReadRequest): Promise<ReadDocument> {
    const body = new TextEncoder().encode(JSON.stringify(request));
    const answer = await this.call("POST", "/issuer/documents", body, "application/json");
    return (await answer.json()) as ReadDocument;
  }

  /** Forget this document, if it is the one that was read last. */
  async forgetDocument(handle: string): Promise<void> {
    const body = new TextEncoder().encode(JSON.stringify({ handle }));
    await this.call("DELETE", "/issuer/documents", body, "application/json");
  }

  /**
   * Have the issuer encrypt, seal and assert a template. Both sides are deterministic CBOR
   * (`gateway/kiosk/messages.py`): a `TemplateOrder` and a `TemplateIssued`.
   */
  async issue(order: Uint8Array): Promise<Uint8Array> {
    const answer = await this.call("POST", "/issuer/templates", order, "application/cbor");
    return new Uint8Array(await answer.arrayBuffer());
  }

  /** Tell what became of the document that was read; the answer is its standing, as a sentence. */
  async noteOutcome(handle: string, outcome: "MATCH" | "NO_MATCH"): Promise<string | null> {
    const body = new TextEncoder().encode(JSON.stringify({ handle, outcome }));
    const answer = await this.call("POST", "/issuer/outcomes", body, "application/json");
    return ((await answer.json()) as { standing: string | null }).standing;
  }

  /** What this counter remembers of mismatches of the document that was read. */
  async standing(
    handle: string,
    language: Language,
  ): Promise<{ standing: string | null; locked: boolean }> {
    const body = new TextEncoder().encode(JSON.stringify({ handle, language }));
    const answer = await this.call("POST", "/issuer/standing", body, "application/json");
    return (await answer.json()) as { standing: string | null; locked: boolean };
  }

  /** What is kept of submissions whose receipts are waited for; content in hexadecimal. */
  async pending(): Promise<{ id: string; content: string }[]> {
    const answer = await this.call("GET", "/pending");
    return ((await answer.json()) as { pending: { id: string; content: string }[] }).pending;
  }

  /** Have this kept, until it is removed; it is on the disk then. Throws `KioskProblem`. */
  async keepPending(id: string, content: string): Promise<void> {
    const body = new TextEncoder().encode(JSON.stringify({ id, content }));
    await this.call("POST", "/pending", body, "application/json");
  }

  async removePending(id: string): Promise<void> {
    const body = new TextEncoder().encode(JSON.stringify({ id }));
    await this.call("DELETE", "/pending", body, "application/json");
  }

  /**
   * Pass a signed request on to the gateway, byte for byte.
   *
   * @param path as the gateway knows it and the signature covers it, e.g. `/face-verification/...`.
   * @param headers content-digest, signature-input, signature, x-correlator, content-type.
   */
  async forward(
    method: "GET" | "POST",
    path: string,
    body: Uint8Array | null,
    headers: Record<string, string>,
  ): Promise<ForwardedAnswer> {
    const answer = await this.send(method, `/gateway${path}`, body, headers);
    return {
      fromGateway: answer.headers.get(ANSWERED_BY) === "gateway",
      status: answer.status,
      contentType: answer.headers.get("content-type") ?? "",
      retryAfter: answer.headers.get("retry-after") ?? "",
      date: answer.headers.get("x-sealmatch-date") ?? "",
      content: new Uint8Array(await answer.arrayBuffer()),
    };
  }

  private async call(
    method: string,
    path: string,
    body: Uint8Array | null = null,
    type = "",
  ): Promise<Response> {
    const headers: Record<string, string> = type ? { "content-type": type } : {};
    const answer = await this.send(method, path, body, headers).catch(() => {
      throw new KioskProblem(0, GONE, "the counter's program does not answer", null);
    });
    if (!answer.ok) throw await problemIn(answer);
    return answer;
  }

  private async send(
    method: string,
    path: string,
    body: Uint8Array | null,
    headers: Record<string, string>,
  ): Promise<Response> {
    const answer = await this.ask(this.base + path, {
      method,
      body: body as BodyInit | null,
      headers: { ...headers, [TOKEN_HEADER]: this.secret },
      keepalive: method === "DELETE", // what is forgotten is forgotten, also if the tab closes
      ...BARE,
    });
    if (await isShutOut(answer)) this.lost();
    return answer;
  }
}

/** Whether the process refused this tab itself, and not what it asked for. */
async function isShutOut(answer: Response): Promise<boolean> {
  if (answer.status !== 403 || answer.headers.has(ANSWERED_BY)) return false;
  return (await problemIn(answer.clone())).code === "PERMISSION_DENIED";
}

async function problemIn(answer: Response): Promise<KioskProblem> {
  const unknown = { code: "UNKNOWN", message: `status ${answer.status}`, advice: null };
  const told: Partial<typeof unknown> & { advice?: string | null } = await answer
    .json()
    .catch(() => unknown);
  return new KioskProblem(
    answer.status,
    told.code ?? unknown.code,
    told.message ?? unknown.message,
    told.advice ?? null,
  );
}
