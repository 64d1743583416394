// A USB or Bluetooth scanner that types (a keyboard wedge): a fast burst of keys,
// mostly ended by Enter. It must work wherever the focus is, and never press a
// button, fill in an amount or leave digits in a field. Keys and their times are
// handed in; nothing here knows of the page.

/** FAST is the longest pause between a scanner's keys, in ms. Fast typists need 60
 * and more. */
const FAST = 45;
/** SLOW is the longest pause within one run of keys: old Bluetooth scanners. */
const SLOW = 150;
/** SURE is how many fast keys make a scanner: nobody types four that fast. */
const SURE = 4;
/** QUIET is the pause after which a scanner without Enter has ended. */
export const QUIET = 160;

export class Wedge {
  #run = "";
  #last = -Infinity;
  #fast = 0; // keys that came fast
  #ended = -Infinity;

  /** begin: a run of keys may be starting, remember what is on the screen;
   * rollback: it was a scanner, put that back; scanned(text): it ended. */
  constructor({ begin, rollback, scanned }) {
    Object.assign(this, { begin, rollback, scanned });
  }

  /** press takes a key and when it came; true: it is the scanner's, swallow it. */
  press(key, now) {
    const pause = now - this.#last;
    if (key === "Enter" || key === "Tab") return this.#end(pause, now);
    if (key.length !== 1) return false;
    if (pause > SLOW) this.#reset();
    if (this.#run === "") this.begin();
    const knew = this.sure;
    if (pause <= FAST) this.#fast++;
    else if (!knew) this.#fast = 0; // a hiccup of what is known to be a scanner is none of a person's
    this.#run += key;
    this.#last = now;
    if (this.sure && !knew) this.rollback();
    return this.sure;
  }

  /** sure: a scanner is typing. */
  get sure() {
    return this.#fast >= SURE - 1;
  }

  /** quiet is asked QUIET ms after a key: a scanner without Enter has ended. */
  quiet(now) {
    if (this.sure && now - this.#last >= QUIET) this.#done();
  }

  #end(pause, now) {
    // A second Enter or Tab right after: some scanners send both.
    if (this.#run === "" && now - this.#ended <= SLOW) return true;
    const scanner = pause <= SLOW && (this.sure || /^(\d{16}|\d{20}|\d{36}|\d{40})$/.test(this.#run));
    if (!scanner) {
      this.#reset();
      return false;
    }
    if (!this.sure) this.rollback();
    this.#ended = now;
    this.#done();
    return true;
  }

  #done() {
    const text = this.#run;
    this.#reset();
    this.scanned(text);
  }

  #reset() {
    this.#run = "";
    this.#fast = 0;
    this.#last = -Infinity;
  }
}
