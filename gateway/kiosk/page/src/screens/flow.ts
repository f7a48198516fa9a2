/**
 * One customer from the welcome to the end, as a list of steps; then the next.
 *
 * 1. The agent names document and order; the local process reads the document.
 * 2. The screen is handed over. The customer reads what they are asked to agree to.
 * 3. The camera opens, after they agreed and not before. They start when they like.
 * 4. The movements, the encryption, the decision, the receipt.
 * 5. The outcome; or why there is none, and another try.
 *
 * "Without a face" is in reach in every step of the customer's. Until the submission is sent it ends
 * the try, and the camera is closed. Whatever happens, the last step forgets the customer.
 */

import { AgentForm, readView, type Prepared } from "./agent";
import { CameraScreen, faultWords, newSetup, type Setup } from "./camera";
import { CaptureScreen, working } from "./capture";
import { consent, welcome } from "./consent";
import { type Desk, OTHER_WAY, type Shown, type View } from "./desk";
import { h } from "./dom";
import { button, buttons, heading, note } from "./parts";
import { chosen, otherWay } from "./other-way";
import { Ended, type Agreed, type Finished, type OpenCamera, type Progress, STAGES } from "./ports";
import { reasons } from "./reasons";
import { agentEnding, doubt, ending, outcome, reasonOf, retry, withoutFace } from "./result";
import { TEXTS } from "./texts";
import { Watching } from "./watching";

/** The agent ended it. */
class Stopped extends Error {}

type Way = typeof OTHER_WAY;
/** The receipt of an earlier customer. */
interface Late {
  late: Finished;
}
const SENT = STAGES.indexOf("decide");

/** Serve customers, one after the other. It ends only with an error of our own. */
export async function serve(desk: Desk): Promise<never> {
  for (;;) await new Sitting(desk).run();
}

class Sitting {
  private readonly stopped = new AbortController();
  private readonly setup: Setup = newSetup();
  private readonly watching: Watching;
  private tries = 0;
  /** Whether the passive check took this try's picture for a photograph or a screen. */
  private doubted = false;
  /** Whether a submission is under way: its outcome is waited for, whatever happens. */
  private sent = false;

  constructor(private readonly desk: Desk) {
    this.watching = new Watching(desk, () => this.stop());
  }

  async run(): Promise<void> {
    let comfort = this.desk.comfort;
    try {
      const prepared = await this.prepare();
      if (prepared === null) return;
      comfort = this.desk.comfort;
      const agreed = await this.agree(prepared);
      if (agreed) await this.tryUntilOver(prepared, agreed);
    } catch (error) {
      if (!(error instanceof Stopped)) throw error;
    } finally {
      this.stopped.abort();
      this.desk.voice.quiet();
      this.desk.counter.forget();
      this.desk.counter.meter.clear();
      this.desk.choose(this.desk.agentLanguage);
      this.desk.comfort = comfort;
    }
  }

  /** The agent ends it; not while an outcome is on its way, which would be lost. */
  private stop(): void {
    if (this.sent) this.watching.text((t) => t.otherWay.afterSent);
    else this.stopped.abort();
  }

  /** Step 1, and the handing over. Null: it was about an earlier customer's receipt. */
  private async prepare(): Promise<Prepared | null> {
    for (;;) {
      const form = (done: (prepared: Prepared | Late) => void): View => {
        const late = (finished: Finished): void => done({ late: finished });
        const own = new AgentForm(this.desk, this.stopped.signal, done, late);
        return () => own.view();
      };
      const prepared = (await this.ask<Prepared | Late>((answer) => ({
        agent: form(answer),
        customer: welcome(this.desk),
        turn: "agent",
        offer: false,
      }))) as Prepared | Late;
      if ("late" in prepared) {
        await this.end(prepared.late);
        return null;
      }
      const next = await this.ask<"customer" | "another">((answer) => ({
        agent: () => readView(this.desk, prepared, () => answer("customer"), () => answer("another")),
        customer: welcome(this.desk),
        turn: "agent",
        offer: false,
      }));
      if (next === "customer") return { ...prepared, read: { ...prepared.read, number: null } };
    }
  }

  /** Step 2. Null: registered without a face. */
  private async agree(prepared: Prepared): Promise<Agreed | null> {
    const { consent: texts } = this.desk.counter.settings;
    for (;;) {
      const answer = await this.ask<Agreed>((agreed) => ({
        agent: this.watching.view,
        customer: this.told(
          consent(this.desk, prepared.read, () =>
            agreed({ language: this.desk.language, version: texts.version, exclusions: [] }),
          ),
          () => this.watching.say(
            (who) => TEXTS[who === "agent" ? this.desk.agentLanguage : this.desk.language].consent.heading,
            () => this.consentAloud(prepared),
          ),
        ),
        turn: "customer",
        offer: true,
      }));
      if (answer !== OTHER_WAY) return answer;
      if (await this.leave("declined")) return null;
    }
  }

  private consentAloud(prepared: Prepared): string {
    const own = this.desk.counter.settings.consent.texts[this.desk.language];
    if (!own) return TEXTS[this.desk.language].consent.missing;
    const guardian = prepared.read.minor ? `${own.toGuardian}\n` : "";
    return `${guardian}${own.text}\n${own.kept}\n${own.withoutFace}`;
  }

  private async tryUntilOver(prepared: Prepared, agreed: Agreed): Promise<void> {
    while (!(await this.attempt(prepared, agreed)));
  }

  /** Steps 3 to 5, once. Returns whether this customer is done. */
  private async attempt(prepared: Prepared, agreed: Agreed): Promise<boolean> {
    this.doubted = false;
    this.watching.note(null);
    const camera = await this.openCamera();
    this.watching.note(null);
    if (camera === OTHER_WAY) return this.leave("declined");
    this.tries += 1;
    const spared = { ...agreed, exclusions: [...this.setup.spared.values()] };
    const ended = await this.check(prepared, spared, camera);
    if (ended === "more") return false;
    if (ended === OTHER_WAY) return this.leave("declined");
    if (ended instanceof Ended && ended.ending === "inconclusive") return this.retry(ended);
    return this.end(ended);
  }

  /** Step 3. The camera that is open, to be closed by the caller. */
  private async openCamera(): Promise<OpenCamera | Way> {
    let screen: CameraScreen | null = null;
    try {
      return await this.ask<OpenCamera>((answer) => {
        const own = (screen = new CameraScreen(
          this.desk,
          this.setup,
          () => this.desk.redrawCustomer(),
          answer,
          (advice) => (advice ? this.watching.message(advice) : this.watching.text((t) => t.camera.ready)),
          (fault) => {
            this.watching.text((t) => `${t.ended[fault.ending]}\n${faultWords(fault, t)}`);
            if (!fault.more.cause) this.watching.note(note(reasons(this.desk, fault), "info"));
          },
        ));
        return {
          agent: this.watching.view,
          customer: this.told((t) => own.view(t), () => this.watching.refresh()),
          turn: "customer",
          offer: true,
          begin: () => {
            this.watching.text((t) => t.camera.heading);
            void own.open();
          },
        };
      });
    } finally {
      (screen as CameraScreen | null)?.close();
    }
  }

  /** Step 4. */
  private async check(
    prepared: Prepared,
    agreed: Agreed,
    camera: OpenCamera,
  ): Promise<Finished | Ended | Way | "more"> {
    const own = new AbortController();
    let stage = 0;
    try {
      return await this.ask<Finished | Ended | "more">((answer) => {
        const screen = new CaptureScreen(
          this.desk,
          camera,
          () => answer("more"),
          (progress) => this.watching.message(progress.advice ?? progress.prompt ?? "hold-still"),
        );
        const show = (progress: Progress): void => {
          if (own.signal.aborted) return;
          if (progress.doubted && !this.doubted) {
            this.doubted = true;
            this.watching.note(doubt(this.desk));
          }
          const before = stage;
          stage = STAGES.indexOf(progress.stage);
          if (stage <= STAGES.indexOf("capture")) screen.update(progress, TEXTS[this.desk.language]);
          else if (stage !== before) this.work(camera, progress, stage >= SENT);
        };
        void this.desk.counter
          .check(prepared.order, prepared.read, agreed, camera, show, own.signal)
          .catch((error: unknown) => (error instanceof Ended ? error : new Ended("failed")))
          .then(answer);
        return {
          agent: this.watching.view,
          customer: this.told((t) => screen.view(t), () => this.watching.refresh()),
          turn: "customer",
          offer: true,
        };
      });
    } finally {
      own.abort();
      camera.close();
      this.sent = false;
    }
  }

  private work(camera: OpenCamera, progress: Progress, sent: boolean): void {
    camera.close();
    const view = working(progress.stage);
    this.desk.showSide("customer", view);
    this.desk.announce(TEXTS[this.desk.language].working.stages[progress.stage]);
    this.watching.text((t) => t.working.stages[progress.stage]);
    this.sent = sent;
    if (!sent) return;
    this.desk.onOtherWay = () => {
      this.desk.showSide("customer", (t) => {
        const page = view(t);
        page.append(h("p", { class: "advice", role: "status" }, t.otherWay.afterSent));
        return page;
      });
    };
  }

  /** Step 5: why a try did not work. Returns whether this customer is done. */
  private async retry(ended: Ended): Promise<boolean> {
    this.desk.voice.tone("failed");
    const advice = ended.advice ?? "advice-time-ran-out";
    const answer = await this.ask<"again">((again) => ({
      agent: this.watching.view,
      customer: this.told(
        retry(this.desk, ended, {
          again: () => again("again"),
          without: (kind) => {
            if (ended.more.exclude) this.setup.spared.set(kind, ended.more.exclude);
            again("again");
          },
          turned: () => {
            this.setup.turned = !this.setup.turned;
            again("again");
          },
          tired: this.tries >= this.desk.counter.settings.attempts,
          otherWay: () => this.desk.onOtherWay(),
        }),
        () => this.watching.message(advice),
      ),
      turn: "customer",
      offer: true,
      begin: () => this.desk.say(this.desk.words(advice)),
    }));
    return answer === OTHER_WAY ? this.leave("not-possible") : false;
  }

  /** Step 5: the outcome, or an ending. Returns whether this customer is done. */
  private async end(what: Finished | Ended): Promise<boolean> {
    const finished = what instanceof Ended ? null : what;
    this.desk.voice.tone(finished?.outcome === "MATCH" ? "done" : "failed");
    const answer = await this.ask<"again" | "next" | "ask">((pick) => ({
      agent: () => agentEnding(this.desk, what, this.doubted, () => pick("next"), () => pick("ask")),
      customer: finished
        ? outcome(this.desk, finished, () => pick("again"))
        : ending(this.desk, what as Ended, () => pick("again")),
      turn: "customer",
      offer: finished?.outcome !== "MATCH",
    }));
    if (finished && (answer === "again" || answer === "next")) this.desk.counter.collected();
    if (answer === "again") return false;
    if (answer === "next") return true;
    if (answer === "ask") return this.end(await this.askAgain());
    const undecided = what instanceof Ended && ["recorded", "unknown"].includes(what.ending);
    const reason = what instanceof Ended ? reasonOf(what.ending) : "no-match";
    return (await this.leave(reason, undecided)) || this.end(what);
  }

  private async askAgain(): Promise<Finished | Ended> {
    this.watching.text((t) => t.agent.asking);
    this.desk.showSide("agent", this.watching.view);
    return this.desk.counter
      .askAgain(this.stopped.signal)
      .catch((error: unknown) => (error instanceof Ended ? error : new Ended("failed")));
  }

  /** Without a face: ask whether it is meant, and have the agent go on. Returns whether it is. */
  private async leave(reason: string, undecided = false): Promise<boolean> {
    const meant = await this.ask<boolean>((answer) => ({
      agent: this.watching.view,
      customer: this.told(
        otherWay(this.desk, () => answer(true), () => answer(false), undecided),
        () => this.watching.text((t) => [t.otherWay.heading, ...t.otherWay.steps].join("\n")),
      ),
      turn: "customer",
      offer: false,
    }));
    if (meant !== true) return false;
    await this.ask<true>((next) => ({
      agent: (t) =>
        h(
          "div",
          { class: "screen" },
          heading(t.otherWay.button),
          undecided ? h("p", { class: "large" }, t.otherWay.undecided) : null,
          withoutFace(reason, t),
          buttons(button(t.agent.next, () => next(true), { id: "next", kind: "main", picture: "again" })),
        ),
      customer: chosen(this.desk),
      turn: "customer",
      offer: false,
    }));
    return true;
  }

  /** A view that also tells the agent's side, in whatever language it is drawn. */
  private told(view: View, tell: () => void): View {
    return (t, language) => {
      tell();
      return view(t, language);
    };
  }

  /** Show both sides until somebody answers. The agent's stop ends it. */
  private ask<T>(build: (answer: (value: T) => void) => Shown & { begin?: () => void }): Promise<T | Way> {
    return new Promise<T | Way>((resolve, reject) => {
      const { signal } = this.stopped;
      if (signal.aborted) return reject(new Stopped());
      signal.addEventListener("abort", () => reject(new Stopped()), { once: true });
      this.desk.onOtherWay = () => resolve(OTHER_WAY);
      const shown = build(resolve);
      this.desk.show(shown);
      shown.begin?.();
    });
  }
}
