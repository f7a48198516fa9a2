/**
 * The counter's page: the screens, joined with the counter that works.
 *
 * The first screen appears as soon as the local process has said what this counter is. The face
 * models load meanwhile; whoever needs them waits for them. A file of theirs that is not the pinned
 * one fails the check of every picture, and no check begins.
 */

import { Counter, namesOf } from "./counter/counter";
import type { Sight } from "./counter/sight";
import { followToken, LocalProcess, takeToken } from "./kiosk/local";
import type { Embedded } from "./liveness/capture";
import type { FrameMeasurement } from "./liveness/measurement";
import { Desk } from "./screens/desk";
import { serve } from "./screens/flow";
import { hindered, opening } from "./screens/start";
import "./screens/styles.css";
import { Encryptor } from "./workers/encryptor";
import { Sighting } from "./workers/sighting";

/** A sight whose models may still be loading. */
class Loading implements Sight {
  constructor(
    private readonly sighting: Sighting,
    private readonly loaded: Promise<void>,
  ) {
    loaded.catch(() => undefined); // told to whoever looks
  }

  async begin(): Promise<void> {
    const there = await this.loaded.then(() => true, () => false);
    if (there) await this.sighting.begin();
  }

  async measure(picture: ImageData, atMs: number): Promise<FrameMeasurement> {
    await this.loaded;
    return this.sighting.measure(picture, atMs);
  }

  embed(): Promise<Embedded> {
    return this.sighting.embed();
  }

  passiveScore(): Promise<number | null> {
    return this.sighting.passiveScore();
  }
}

/** Whether this browser has all that the page stands on. */
function isAble(): boolean {
  return (
    isSecureContext &&
    typeof WebAssembly === "object" &&
    typeof indexedDB === "object" &&
    "subtle" in crypto &&
    "mediaDevices" in navigator &&
    "requestVideoFrameCallback" in HTMLVideoElement.prototype
  );
}

async function start(root: HTMLElement): Promise<void> {
  opening(root);
  if (!isAble()) return hindered(root, "browser");
  const process = new LocalProcess(takeToken());
  followToken();
  const kiosk = await process.settings().catch(() => null);
  if (kiosk === null) return hindered(root, "elsewhere");
  const sighting = new Sighting();
  const sight = new Loading(sighting, sighting.load(kiosk.model, new URL(".", location.href).href));
  const names = await namesOf(kiosk).catch(() => null);
  if (names === null) return hindered(root, "browser");
  const counter = new Counter(kiosk, process, names, sight, new Encryptor());
  addEventListener("pagehide", () => counter.forget());
  await serve(new Desk(root, counter));
}

void start(document.getElementById("page")!);
