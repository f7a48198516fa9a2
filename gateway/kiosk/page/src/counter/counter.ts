/**
 * The counter as the screens use it, joined from its real parts: the local process, the device's
 * key, the camera, models and encryption in workers, the challenge, the registration.
 *
 * What belongs to a customer is in one `Sitting` that `forget` overwrites and drops. Nothing of it
 * is stored, but for what a receipt is asked for with, until it is there (`pending.ts`).
 */

import { SaysOtherwise } from "../client/agreement";
import { NoDecision } from "../client/faults";
import {
  type Counter as Names,
  type Ports,
  gatewayOf,
  register,
  type Registration,
  verify,
} from "../client/registration";
import type { KioskSettings } from "../kiosk/settings";
import type { LocalProcess } from "../kiosk/local";
import { Diagnostician } from "../liveness/diagnosis";
import { texts } from "../liveness/limits";
import { hindrance } from "../liveness/runner";
import { Counted } from "../screens/meter";
import {
  type Agreed,
  type CameraChoice,
  type Case,
  type CounterPort,
  type DocumentRead,
  Ended,
  type Finished,
  type OpenCamera,
  type Progress,
  type Settings,
  STAGES,
  type Waiting,
} from "../screens/ports";
import { type Bytes, hex, unhex } from "../wire/bytes";
import type { VerifiedReceipt } from "../wire/receipt";
import { ActivationOpening, Opening, PendingReceipt } from "../wire/proof";
import type { Encryptor } from "../workers/encryptor";
import { Attempts, capture } from "./capturing";
import { type LiveCamera, cameras, openCamera } from "./camera";
import { deviceKey } from "./device";
import { endingOf } from "./endings";
import { type OwnDocument, requireNamed, withGuardian } from "./named";
import { type Kept, newId, type PendingReceipts } from "./pending";
import { type Sight, views } from "./sight";

/** What one customer left here; gone with `forget`. */
interface Sitting {
  readonly attempts: Attempts;
  readonly diagnostician: Diagnostician;
  /** What was handed in last, until its receipt is there. */
  pending: Kept | null;
  /** Under which id the receipt that is shown is still kept. */
  shown: string | null;
}

const seconds = (): number => Math.floor(Date.now() / 1000);
const pause = (long: number): Promise<void> => new Promise((done) => setTimeout(done, 1000 * long));

export class Counter implements CounterPort {
  readonly meter = new Counted();
  readonly settings: Settings;
  private sitting: Sitting = newSitting();
  private read: OwnDocument | null = null;
  /** Of checks that have not ended: one that was left may end while the next one runs. */
  private readonly vectors = new Set<Float32Array>();

  constructor(
    private readonly kiosk: KioskSettings,
    private readonly process: LocalProcess,
    private readonly names: Names,
    private readonly sight: Sight,
    private readonly encryptor: Encryptor,
    private readonly receipts: PendingReceipts,
  ) {
    this.settings = settingsOf(kiosk);
  }

  async enrolment(): Promise<{ publicKey: string; lines: string[] }> {
    const publicKey = hex(this.names.device.publicKey);
    const { device, enrol } = this.kiosk;
    return { publicKey, lines: enrol.map((command) => `${command} device ${device} ${publicKey}`) };
  }

  async readDocument(named: Case, signal: AbortSignal): Promise<DocumentRead> {
    signal.throwIfAborted();
    try {
      const { document, minor, guardian } = named;
      this.read = null;
      const told = await this.process.readDocument({
        ...asNamed(document),
        language: this.kiosk.language,
        minor,
        ...(guardian === null ? {} : { guardian: asNamed(guardian) }),
      });
      const read = withGuardian(named, told);
      if (signal.aborted) this.drop(read); // another customer's may have been read since
      signal.throwIfAborted();
      this.read = read;
      requireNamed(named, read);
    } catch (error) {
      if (error instanceof SaysOtherwise) this.forgetDocument();
      throw endingOf(error);
    }
    const { handle, kind, number, how, file, minor, guardian, notice, standing } = this.read;
    const told = [notice, standing].filter((one) => one !== null).join(" ");
    return {
      handle,
      kind,
      number: "chip" in named.document ? number : null,
      how,
      file,
      minor,
      guardian,
      standing: told === "" ? null : told,
    };
  }

  cameras(): Promise<CameraChoice[]> {
    return cameras();
  }

  openCamera(id: string | null, turned: boolean): Promise<OpenCamera> {
    return openCamera(id, turned);
  }

  async advise(
    camera: OpenCamera,
    say: (advice: string | null) => void,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      for await (const { measured } of views(this.sight, (camera as LiveCamera).shots(signal))) {
        if (!signal.aborted) say(hindrance(measured));
      }
    } catch (error) {
      throw endingOf(error);
    }
  }

  async check(
    order: string,
    read: DocumentRead,
    agreed: Agreed,
    camera: OpenCamera,
    show: (progress: Progress) => void,
    signal: AbortSignal,
  ): Promise<Finished> {
    const document = this.document(read.handle);
    const reference = crypto.randomUUID();
    const seen = (camera as LiveCamera).shots(signal);
    let stage: Progress["stage"] = "session";
    let doubted = false;
    const vectors: Float32Array[] = [];
    const { sitting } = this;
    const id = newId();
    const ports: Ports = {
      ...this.ports(),
      keep: (pending) => this.keep(sitting, id, pending, reference),
      progress: (name) => {
        stage = STAGES.find((one) => one === name) ?? stage;
        const none = { prompt: null, advice: null, done: 0, of: 0, leftMs: null, lit: null };
        show({ stage, ...none, doubted });
      },
    };
    try {
      const done = await register(
        this.names,
        {
          document: { ...document, handle: unhex(document.handle) },
          activationReference: order || drawnOrder(),
          consent: { textVersion: agreed.version, language: agreed.language },
          purpose: this.kiosk.purpose,
          exclusions: agreed.exclusions,
        },
        async (challenge) => {
          const captured = await capture(challenge, {
            views: views(this.sight, seen),
            modelDigest: this.names.model.digest,
            diagnostician: sitting.diagnostician,
            attempts: sitting.attempts,
            exclusions: agreed.exclusions,
            show: (shown) => show({ ...shown, stage }),
          });
          doubted = captured.doubted;
          vectors.push(captured.probe, ...(captured.action ? [captured.action] : []));
          for (const one of vectors) this.vectors.add(one);
          return captured;
        },
        ports,
        signal,
        reference,
      );
      return await this.finished(sitting, done, id, document.handle);
    } catch (error) {
      if (error instanceof NoDecision) await this.settle(sitting, id);
      throw await this.ended(error, document.handle, reference);
    } finally {
      this.wipe(vectors);
      void seen.return(undefined);
    }
  }

  async askAgain(signal: AbortSignal): Promise<Finished> {
    signal.throwIfAborted();
    const { pending } = this.sitting;
    if (pending === null) throw new Ended("failed");
    return this.ask(this.sitting, pending, this.read);
  }

  async waiting(): Promise<Waiting> {
    const { kept, closed } = await this.receipts.all();
    const receipts = kept.map(({ id, order, message }) => ({ id, order, sentAt: message.sentAt }));
    return { receipts, closed };
  }

  async collect(id: string, signal: AbortSignal): Promise<Finished> {
    signal.throwIfAborted();
    const found = await this.receipts.all().catch(() => null);
    const kept = found?.kept.find((one) => one.id === id);
    if (kept === undefined) throw new Ended("failed");
    return this.ask(this.sitting, kept, null);
  }

  dismiss(id: string): Promise<void> {
    return this.receipts.remove(id);
  }

  collected(): void {
    const { shown } = this.sitting;
    if (shown !== null) void this.settle(this.sitting, shown);
  }

  /** Ask for a receipt. `read`: its document, if it is still known. */
  private async ask(sitting: Sitting, kept: Kept, read: OwnDocument | null): Promise<Finished> {
    const { id, message, reference } = kept;
    try {
      const gateway = gatewayOf(this.names, this.ports(), reference);
      const answer = await gateway.fetch(message.expected.session, message.sentAt);
      const verified = await verify(this.names, read, message, answer, seconds());
      const { opening } = message;
      return await this.finished(sitting, { ...answer, opening, verified, reference }, id, read?.handle);
    } catch (error) {
      if (error instanceof NoDecision) await this.settle(sitting, id);
      throw endingOf(error, reference);
    }
  }

  forget(): void {
    this.wipe([...this.vectors]);
    this.sitting = newSitting();
    this.forgetDocument();
    this.sight.forget();
  }

  /** In the process as well; one that was read since is not this check's. */
  private forgetDocument(): void {
    const { read } = this;
    this.read = null;
    if (read !== null) this.drop(read);
  }

  private drop({ handle }: OwnDocument): void {
    void this.process.forgetDocument(handle).catch(() => undefined);
  }

  private ports(): Omit<Ports, "keep" | "progress"> & Pick<Ports, "keep" | "progress"> {
    return {
      transport: async (method, path, body, headers) => {
        const kind = body === null ? "question" : path.endsWith("/submission") ? "submission" : "request";
        const length = body?.length ?? 0;
        this.meter.sent(kind, length + headerBytes(path, headers));
        return this.process.forward(method, path, body, headers);
      },
      issue: (order) => this.process.issue(order),
      encryptProbe: (key, probe, action) => this.encryptor.encryptProbe(key, probe, action),
      clock: seconds,
      pause,
      keep: () => undefined,
      progress: () => undefined,
    };
  }

  /** The document that was read last, if it is this one. */
  private document(handle: string): OwnDocument {
    if (this.read === null || this.read.handle !== handle) throw new Ended("failed");
    return this.read;
  }

  /** Keep what a receipt is asked for with. The first time, nothing leaves unless it is kept. */
  private async keep(sitting: Sitting, id: string, pending: Bytes, reference: string): Promise<void> {
    const message = PendingReceipt.decode(pending);
    const { activationReference: order } = Opening.decode(message.opening);
    const again = sitting.pending?.id === id;
    await this.receipts.keep(id, pending, reference).catch((error: unknown) => {
      if (!again) throw error; // the earlier one serves as well
    });
    sitting.pending = { id, message, reference, order };
  }

  /** Nothing is to be asked for any more. If it cannot be removed now, it goes in its time. */
  private async settle(sitting: Sitting, id: string): Promise<void> {
    if (sitting.pending?.id === id) sitting.pending = null;
    if (sitting.shown === id) sitting.shown = null;
    await this.receipts.remove(id).catch(() => undefined);
  }

  /** @param handle of the document, if this process still holds it. */
  private async finished(
    sitting: Sitting,
    done: Registration,
    id: string,
    handle: string | undefined,
  ): Promise<Finished> {
    sitting.pending = null;
    sitting.shown = id;
    if (handle !== undefined) await this.process.noteOutcome(handle, done.outcome).catch(() => null);
    const { activationSalt, activationReference } = Opening.decode(done.opening);
    const { recordId, receipt, opening, outcome, verified } = done;
    return {
      outcome,
      recordId: hex(recordId),
      decidedAt: verified.statement.decidedAtMinute,
      statementDigest: hex(verified.statementDigest),
      receipt,
      opening,
      activationOpening: ActivationOpening.encode({ recordId, activationSalt, activationReference }),
      checks: checksOf(verified),
    };
  }

  /** A refusal that this counter can explain is a lock. */
  private async ended(error: unknown, handle: string, reference: string): Promise<unknown> {
    const ending = endingOf(error, reference);
    if (!(ending instanceof Ended) || ending.ending !== "refused") return ending;
    const { locked, standing } = await this.process
      .standing(handle, this.kiosk.language)
      .catch(() => ({ locked: false, standing: null }));
    if (!locked) return ending;
    return new Ended("locked", "advice-locked", { reference, detail: standing ?? "" });
  }

  private wipe(vectors: readonly Float32Array[]): void {
    for (const vector of vectors) {
      vector.fill(0);
      this.vectors.delete(vector);
    }
  }
}

const newSitting = (): Sitting => ({
  attempts: new Attempts(seconds),
  diagnostician: new Diagnostician(),
  pending: null,
  shown: null,
});

function asNamed(document: Case["document"]) {
  if ("number" in document) return { kind: document.kind, number: document.number };
  if ("chip" in document) return { kind: document.kind };
  const { kind, zone } = document;
  return { ...(kind === null ? {} : { kind }), zone };
}

/** An order of our own where the agent typed none. */
const drawnOrder = (): string => `order-${hex(crypto.getRandomValues(new Uint8Array(8)))}`;

/** About what a request's line and headers take. */
const headerBytes = (path: string, headers: Record<string, string>): number =>
  Object.entries(headers).reduce((sum, [name, value]) => sum + name.length + value.length + 4, path.length + 16);

function checksOf({ statement, decision, notes }: VerifiedReceipt): Finished["checks"] {
  const log = notes.get(9)?.state ?? notes.get(6)?.state ?? "not-checked";
  return {
    comparison: decision.outcome,
    liveness: statement.liveness.outcome,
    log,
    portrait: statement.portraitSource,
  };
}

function settingsOf(kiosk: KioskSettings): Settings {
  const { language, consent, documents, withoutFace, live } = kiosk;
  return {
    language,
    names: {
      gateway: kiosk.gateway.party,
      outlet: kiosk.outlet,
      agent: kiosk.agent,
      device: kiosk.device,
      issuer: kiosk.issuer,
    },
    consent,
    documents: documents.map(({ kind, reading }) => ({ kind, by: reading })),
    prompts: texts as unknown as Settings["prompts"],
    guardianBelowAge: kiosk.guardianBelowAge,
    withoutFace,
    attempts: live.attempts,
    preview: live.preview,
  };
}

/** Names and keys of this counter, as registrations take them. */
export async function namesOf(kiosk: KioskSettings): Promise<Names> {
  const { gateway, authority, model } = kiosk;
  const { outcome, measures, profileDigest } = model.quality;
  return {
    device: await deviceKey(kiosk.device),
    issuer: kiosk.issuer,
    agent: kiosk.agent,
    outlet: kiosk.outlet,
    gateway: { party: gateway.party, host: gateway.host, sealingKey: unhex(gateway.sealingKey) },
    authority: { party: authority.party, keys: authority.publicKeys.map(unhex) },
    pins: kiosk.pins,
    steps: kiosk.steps,
    model: {
      digest: unhex(model.digest),
      quality: { outcome, measures, profileDigest: unhex(profileDigest) },
    },
  };
}

