/**
 * The counter's page: the screens, joined with the counter that works.
 *
 * The first screen appears as soon as the local process has said what this counter is. The face
 * models load meanwhile; whoever needs them waits for them. A file of theirs that is not the pinned
 * one fails the check of every picture, and no check begins.
 */

import { Counter, namesOf } from "./counter/counter";
import { pendingKey } from "./counter/device";
import { PendingReceipts } from "./counter/pending";
import { Renewed } from "./counter/renewed";
import { enter, followAddress, LocalProcess } from "./kiosk/local";
import { Desk } from "./screens/desk";
import { serve } from "./screens/flow";
import { hindered, opening } from "./screens/start";
import "./screens/styles.css";
import { Encryptor } from "./workers/encryptor";

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
  const entered = await enter();
  followAddress();
  if (typeof entered === "string") return hindered(root, entered);
  const process = new LocalProcess(entered.secret, "", undefined, () => location.reload());
  const kiosk = await process.settings().catch(() => null);
  if (kiosk === null) return hindered(root, "elsewhere");
  const base = new URL(".", location.href).href;
  const sight = new Renewed((sighting) => sighting.load(kiosk.model, base));
  const names = await namesOf(kiosk).catch(() => null);
  const sealing = await pendingKey(kiosk.device).catch(() => null);
  if (names === null || sealing === null) return hindered(root, "browser");
  const receipts = new PendingReceipts(sealing, process);
  const counter = new Counter(kiosk, process, names, sight, new Encryptor(), receipts);
  addEventListener("pagehide", () => counter.forget());
  addEventListener("pageshow", (event) => {
    if ((event as PageTransitionEvent).persisted) location.reload();
  });
  await serve(new Desk(root, counter));
}

void start(document.getElementById("page")!);
