// Keeps the screen on while a code is shown, and lets go of it: when the page is
// left or hidden, and after some minutes without a touch, as the battery is small.
const AWAKE = 3 * 60_000;

export class Wake {
  constructor() {
    this.wanted = false;
    this.lock = null;
    this.timer = 0;
    for (const kind of ["pointerdown", "keydown"]) {
      document.addEventListener(kind, () => this.wanted && this.hold(), { passive: true });
    }
  }

  /** want says whether the code is on the screen. */
  want(wanted) {
    if (wanted === this.wanted) return;
    this.wanted = wanted;
    if (wanted) this.hold();
    else this.release();
  }

  async hold() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.release(), AWAKE);
    if (this.lock || this.asking || !navigator.wakeLock || document.hidden) return;
    this.asking = true;
    try {
      const lock = await navigator.wakeLock.request("screen");
      if (!this.wanted) return void lock.release();
      this.lock = lock;
      // The browser lets go of it when the page is hidden.
      lock.addEventListener("release", () => (this.lock = null));
    } catch {
      // A low battery refuses; the code is shown all the same.
    } finally {
      this.asking = false;
    }
  }

  release() {
    clearTimeout(this.timer);
    this.lock?.release();
    this.lock = null;
  }
}
