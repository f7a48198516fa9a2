/**
 * Notes when things happen in the counter's page, for measurements and tests: put before the page's
 * scripts. It changes nothing that the page does.
 *
 * `window.kioskWatch`:
 *   workers   each with its name, when it began, when it first answered, and whether it lives
 *   views     when each measured view came from the worker
 *   cameras   each with the time of its first picture, of the first view of it, and of the first
 *             advice on the screen
 *   appeared  when a part of the page was first there, by its selector
 *   taken     once `tap` is true: the next picture of which there is a vector, and the vector, every
 *             byte with MASK, so that a search of the memory does not find them here. The camera then
 *             gives no more pictures.
 * Times are milliseconds since the page was opened.
 */
(() => {
  if (window !== window.top) return;
  const now = () => performance.now();
  const MASK = 0x5a;
  const watch = { workers: [], views: [], cameras: [], appeared: {}, tap: false, taken: null };
  window.kioskWatch = watch;
  const masked = (buffer) => new Uint8Array(buffer).map((byte) => byte ^ MASK);
  let pending = null;

  const NativeWorker = window.Worker;
  window.Worker = class extends NativeWorker {
    constructor(url, options) {
      super(url, options);
      this.noted = { name: options?.name, begun: now(), answered: null, lives: true };
      watch.workers.push(this.noted);
      this.addEventListener("message", ({ data }) => {
        this.noted.answered ??= now();
        if (watch.tap && watch.taken === null && data.answer?.vector) {
          watch.taken = { ...pending, vector: masked(data.answer.vector.buffer) };
        }
        if (data.answer?.atMs === undefined) return;
        watch.views.push(now());
        const camera = watch.cameras.at(-1);
        if (camera) camera.view ??= now();
      });
    }

    postMessage(message, transfer) {
      if (watch.tap && message.picture) {
        const { width, height, data } = message.picture;
        pending = { width, height, picture: masked(data.buffer) };
      }
      super.postMessage(message, transfer);
    }

    terminate() {
      this.noted.lives = false;
      super.terminate();
    }
  };

  const { requestVideoFrameCallback: next } = HTMLVideoElement.prototype;
  HTMLVideoElement.prototype.requestVideoFrameCallback = function (done) {
    return watch.taken === null ? next.call(this, done) : 0;
  };

  const { play } = HTMLMediaElement.prototype;
  const known = new WeakSet();
  HTMLMediaElement.prototype.play = function () {
    if (this.srcObject && !known.has(this)) {
      known.add(this);
      const camera = { picture: null, view: null, advice: null };
      watch.cameras.push(camera);
      const come = () => (camera.picture ??= now());
      if (this.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA) come();
      else this.addEventListener("loadeddata", come, { once: true });
    }
    return play.call(this);
  };

  const LOOKED_FOR = ["#read", "#start", ".screen.capture", ".screen.working", ".result", ".retry"];
  let opening = null; // what stands in the place of advice before there is any
  function look() {
    for (const selector of LOOKED_FOR) {
      if (document.querySelector(selector)) watch.appeared[selector] ??= now();
    }
    const camera = watch.cameras.at(-1);
    const said = document.querySelector(".screen.camera > .advice")?.textContent;
    if (!camera || !said) return;
    if (camera.view === null) opening = said;
    else if (said !== opening && !camera.painting) {
      camera.painting = true;
      requestAnimationFrame(() => (camera.advice = now()));
    }
  }
  const observer = new MutationObserver(look);
  observer.observe(document, { subtree: true, childList: true, characterData: true });
})();
