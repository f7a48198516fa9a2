/**
 * The camera of this machine, and its pictures one after the other.
 *
 * A picture lives from its drawing to its measurement: it is drawn on one canvas that is used again,
 * read into memory, handed over, and overwritten where it was handed to. Nothing is encoded or kept.
 */

import { Ended, type CameraChoice, type CameraFault, type OpenCamera } from "../screens/ports";

/** What is asked of a camera; it gives what it can. */
const WIDTH = 640;
const HEIGHT = 480;
const RATE = 30;

/** Least time between two pictures, as the Python client has it. */
const SHORTEST_MS = 33;

/** Without a picture; some drivers let one wait for ten seconds. */
const SILENT_MS = 20_000;

export interface Shot {
  readonly picture: ImageData;
  /** Milliseconds after the first picture. */
  readonly atMs: number;
}

export async function cameras(): Promise<CameraChoice[]> {
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices
    .filter((one) => one.kind === "videoinput")
    .map((one, i) => ({ id: one.deviceId, label: one.label || `${i + 1}` }));
}

/** Opens a camera. `turned`: its own picture is mirrored, and is turned back. Throws `Ended`. */
export async function openCamera(id: string | null, turned: boolean): Promise<LiveCamera> {
  const wanted = {
    width: { ideal: WIDTH },
    height: { ideal: HEIGHT },
    frameRate: { ideal: RATE },
    ...(id === null ? { facingMode: "user" } : { deviceId: { exact: id } }),
  };
  let stream: MediaStream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
  } catch (error) {
    throw new Ended("camera", null, { cause: causeOf(error) });
  }
  const camera = new LiveCamera(stream, turned);
  try {
    await camera.video.play();
  } catch {
    camera.close();
    throw new Ended("camera", null, { cause: "lost" });
  }
  return camera;
}

export class LiveCamera implements OpenCamera {
  readonly video = document.createElement("video");
  readonly mirrored: boolean;
  readonly id: string;
  private readonly canvas = document.createElement("canvas");
  private isOpen = true;

  constructor(
    private readonly stream: MediaStream,
    private readonly turned: boolean,
  ) {
    this.video.muted = true;
    this.video.playsInline = true;
    this.video.srcObject = stream;
    this.id = stream.getVideoTracks()[0]?.getSettings().deviceId ?? "";
    // People know their mirror image. A camera that mirrors by itself shows it already.
    this.mirrored = !turned;
  }

  /**
   * Pictures until the signal. Throws `Ended` if the camera is lost.
   *
   * While one is looked at, the next is taken: whoever looks does not wait for the camera as well.
   */
  async *shots(signal: AbortSignal): AsyncGenerator<Shot> {
    let first: number | null = null;
    let last = -Infinity;
    const taken = async (): Promise<Shot> => {
      let at = await this.next(signal);
      while (at - last < SHORTEST_MS) at = await this.next(signal);
      last = at;
      first ??= at;
      return { picture: this.drawn(), atMs: Math.round(at - first) };
    };
    let coming = taken();
    try {
      for (;;) {
        const shot = await coming;
        if (signal.aborted) shot.picture.data.fill(0); // it was taken before
        signal.throwIfAborted();
        coming = taken();
        coming.catch(() => undefined); // told when its turn comes
        yield shot;
      }
    } finally {
      coming.then(({ picture }) => picture.data.fill(0), () => undefined); // nobody looks at it
    }
  }

  close(): void {
    this.isOpen = false;
    for (const track of this.stream.getTracks()) track.stop();
    this.video.srcObject = null;
    this.canvas.width = this.canvas.height = 0;
  }

  /** When the next picture is shown, in milliseconds. */
  private next(signal: AbortSignal): Promise<number> {
    return new Promise((resolve, reject) => {
      let stop: () => void = () => undefined;
      const lost = (): void => end(() => reject(new Ended("camera", null, { cause: "lost" })));
      const aborted = (): void => end(() => reject(signal.reason));
      const end = (then: () => void): void => {
        stop();
        then();
      };
      if (signal.aborted) return reject(signal.reason);
      const track = this.stream.getVideoTracks()[0];
      if (!this.isOpen || track === undefined || track.readyState === "ended") return lost();
      const handle = this.video.requestVideoFrameCallback((now) => end(() => resolve(now)));
      const silent = setTimeout(lost, SILENT_MS);
      signal.addEventListener("abort", aborted, { once: true });
      track.addEventListener("ended", lost, { once: true });
      stop = () => {
        this.video.cancelVideoFrameCallback(handle);
        clearTimeout(silent);
        signal.removeEventListener("abort", aborted);
        track.removeEventListener("ended", lost);
      };
    });
  }

  private drawn(): ImageData {
    const { videoWidth: width, videoHeight: height } = this.video;
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    const context = this.canvas.getContext("2d", { willReadFrequently: true, alpha: false })!;
    context.setTransform(this.turned ? -1 : 1, 0, 0, 1, this.turned ? width : 0, 0);
    context.drawImage(this.video, 0, 0);
    return context.getImageData(0, 0, width, height);
  }
}

function causeOf(error: unknown): CameraFault {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError" || name === "SecurityError") return "denied";
  if (name === "NotReadableError" || name === "AbortError") return "busy";
  return "missing";
}
