/**
 * A camera for the page, in a browser that has none: it shows frames of its own, and reads the
 * prompts off the screen as an attacker would. Put before the page's scripts.
 *
 * Time is counted in frames and not by a clock: the page gets the next frame when it asks for one,
 * STEP_MS after the last. So nothing depends on how fast the machine is.
 *
 * CAMERA = {stepMs, frames: {name: [JPEG in base64, ...]}, prompts: {text: action}}; filled in by
 * `tests/support/kiosk_browser.py`. `window.fakeCamera.answers = false` makes it show other movements
 * than those that are asked for.
 */
(() => {
  if (window !== window.top) return;
  const CAMERA = /*CAMERA*/ null;
  const AFTER_FRAMES = Math.ceil(480 / CAMERA.stepMs);
  const decoded = {};
  const canvas = document.createElement("canvas");
  let current = null;
  let clock = 0;
  let queue = [];
  let restAt = 0;
  let asked = null;
  let acting = null;
  const seen = { frames: 0, asked: [], streams: 0, answers: true };
  window.fakeCamera = seen;

  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const ready = (async () => {
    for (const [name, list] of Object.entries(CAMERA.frames)) {
      decoded[name] = await Promise.all(
        list.map((one) => createImageBitmap(new Blob([bytes(one)], { type: "image/jpeg" }))),
      );
    }
    current = decoded.rest[0];
    canvas.width = current.width;
    canvas.height = current.height;
    canvas.getContext("2d").drawImage(current, 0, 0);
  })();

  /** The action that the page asks for now. */
  const prompted = () => {
    const words = document.querySelector(".capture .prompt")?.textContent ?? "";
    return CAMERA.prompts[words] ?? null;
  };

  const rest = () => decoded.rest[restAt++ % decoded.rest.length];

  /** An action and back again, because no head jumps; it turns back as soon as it was seen. */
  function act(frames) {
    acting = { frames, shown: 0 };
    queue.push(...Array(AFTER_FRAMES).fill(null), ...frames.map((one) => ({ one })));
    queue.push(...[...frames].reverse().map((back) => ({ back })));
  }

  function turnBack() {
    const ahead = queue.some((item) => item?.one);
    if (acting && ahead) {
      queue = acting.frames.slice(0, acting.shown).reverse().map((back) => ({ back }));
    }
    acting = null;
  }

  function advance() {
    const wanted = prompted();
    if (wanted !== asked) {
      asked = wanted;
      turnBack();
      if (wanted !== null) {
        seen.asked.push(wanted);
        const other = wanted === "open-mouth" ? "turn-left" : "open-mouth";
        act(decoded[seen.answers ? wanted : other]);
      }
    }
    const item = queue.shift() ?? {};
    if (item.one) acting.shown += 1;
    current = item.one ?? item.back ?? rest();
    clock += CAMERA.stepMs;
    seen.frames += 1;
    canvas.getContext("2d").drawImage(current, 0, 0);
  }

  navigator.mediaDevices.getUserMedia = async (wanted) => {
    if (wanted.audio) throw new DOMException("no sound was asked for", "NotAllowedError");
    await ready;
    seen.streams += 1;
    queue = [];
    asked = acting = null;
    const stream = canvas.captureStream();
    const draw = () => {
      if (stream.getVideoTracks()[0].readyState === "ended") return;
      canvas.getContext("2d").drawImage(current, 0, 0);
      setTimeout(draw, 100);
    };
    draw();
    return stream;
  };

  let handles = 0;
  const waiting = new Map();
  HTMLVideoElement.prototype.requestVideoFrameCallback = function (done) {
    const handle = ++handles;
    waiting.set(
      handle,
      setTimeout(() => {
        waiting.delete(handle);
        advance();
        done(clock, {});
      }, 0),
    );
    return handle;
  };
  HTMLVideoElement.prototype.cancelVideoFrameCallback = (handle) => {
    clearTimeout(waiting.get(handle));
    waiting.delete(handle);
  };

  const draw = CanvasRenderingContext2D.prototype.drawImage;
  CanvasRenderingContext2D.prototype.drawImage = function (source, ...where) {
    return draw.call(this, source instanceof HTMLVideoElement ? current : source, ...where);
  };
})();
