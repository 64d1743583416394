// The service's time as the phone knows it: the phone's own clock may be minutes
// off, and codes last 30 s. Each answer that carries the service's time measures
// the difference; it is kept for when there is no network.
//
// What can't be measured is said, not guessed: a clock that was set while there is
// no network leaves the difference unsure until the next answer.

/** SKEW_WORTH_SAYING is a difference in ms that the holder is told of. */
export const SKEW_WORTH_SAYING = 30_000;
// Two readings of the clocks differ by scheduling alone; beyond this one was set.
const SET = 2_000;
// A page in the foreground that got no turn for so long was asleep.
const ASLEEP = 5_000;

export class Clock {
  /** saved is what state returned before; wall and steady read ms. */
  constructor(saved, wall = () => Date.now(), steady = () => performance.now()) {
    this.wall = wall;
    this.steady = steady;
    this.offset = saved?.offset ?? 0; // service's time less the phone's
    this.doubt = saved?.doubt ?? Infinity; // how far offset may be wrong
    this.fresh = false; // measured since the page was opened
    this.seen = saved?.seen ?? 0;
    // A clock that runs backwards was set; by how much can't be known.
    this.unsure = saved?.unsure || wall() < this.seen - SKEW_WORTH_SAYING;
    this.mark();
  }

  /** now is the service's time in ms. */
  now() {
    return this.wall() + this.offset;
  }

  /** state is what to keep. */
  state() {
    return { offset: this.offset, doubt: this.doubt, unsure: this.unsure, seen: this.seen };
  }

  /** measure takes an answer's time with when it was asked for and received (wall).
   * An earlier, sharper measurement stays unless the new one contradicts it. */
  measure(sent, received, service) {
    // The answer's time may be in whole seconds.
    const doubt = Math.max(0, received - sent) / 2 + (service % 1000 === 0 ? 500 : 1);
    const middle = service % 1000 === 0 ? service + 500 : service;
    const offset = middle - (sent + received) / 2;
    const differs = Math.abs(offset - this.offset) > doubt + this.doubt;
    if (!this.fresh || this.unsure || differs || doubt <= this.doubt) {
      this.offset = offset;
      this.doubt = doubt;
    }
    this.fresh = true;
    this.unsure = false;
    this.mark();
  }

  /** tick compares the two clocks once a second or so. A wall clock that was set
   * back is made up for exactly. One that leapt ahead was set, or the phone slept:
   * the difference is unsure. True if something changed. */
  tick() {
    const wall = this.wall() - this.lastWall;
    const steady = this.steady() - this.lastSteady;
    this.mark();
    const leap = wall - steady;
    if (leap < -SET) {
      this.offset -= leap;
      return true;
    }
    if (leap > SET && steady < ASLEEP && !this.unsure) {
      this.unsure = true;
      return true;
    }
    return false;
  }

  /** rest forgets the last tick: after the page was hidden, leaps say nothing. */
  rest() {
    this.mark();
  }

  mark() {
    this.lastWall = this.wall();
    this.lastSteady = this.steady();
    this.seen = this.lastWall;
  }
}
