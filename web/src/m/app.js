// The phone page put together: what is known of the holder, the views, and when to
// ask the service.
import { Offline, Problem, Service } from "./api.js";
import { Clock } from "./clock.js";
import * as enrolment from "./enrolment.js";
import { Face } from "./face.js";
import { Mine } from "./mine.js";
import { Nearby } from "./nearby.js";
import { $, say, show } from "./page.js";
import { Purchases } from "./purchases.js";
import { Push } from "./push.js";
import { installable, largeType, serviceWorker } from "./setting.js";
import { SignIn } from "./signin.js";
import * as store from "./store.js";
import { Used } from "./used.js";
import { Vouchers } from "./vouchers.js";

/** MOST_PAUSE is the longest wait before a service that does not answer is asked again, ms. */
const MOST_PAUSE = 30_000;

const TITLES = { signin: "登录工会会员卡", code: "会员码", vouchers: "消费券", purchases: "我的优惠消费", nearby: "优惠商家", mine: "我的" };

/** start shows what this phone knows at once, then asks the service. */
export async function start() {
  largeType();
  serviceWorker();
  installable($("install"));
  if (!window.isSecureContext || !window.crypto?.subtle || !window.indexedDB) {
    $("loading").hidden = true;
    return say($("broken"), "这个浏览器不能安全地保存会员码。请用手机自带的浏览器或较新的浏览器，通过 https 地址打开本页。");
  }
  const app = new App();
  try {
    await app.load();
  } catch {
    $("loading").hidden = true;
    return say($("broken"), "浏览器不让本页保存数据（可能在用无痕模式）。请用普通模式打开，会员码才能在没有网络时使用。");
  }
  app.run();
}

export class App {
  /** load reads what the phone keeps. */
  async load() {
    const [held, face, clock, slot, why] = await Promise.all([enrolment.load(), ...["face", "clock", "slot", "why"].map(store.read)]);
    this.clock = new Clock(clock);
    this.service = new Service(this.clock);
    this.held = held; // the enrolment, see enrolment.js
    this.face = face; // {member, card}, as the service said last
    this.slot = slot || { now: 0, used: [0, 0] }; // the slot shown; each slot's last used step
    this.signed = undefined; // unknown until the service has said
    this.online = navigator.onLine;
    this.where = "none"; // enrolled: "this", "other", "none", as the service said last
    this.told = why || ""; // why this phone has no codes any more, see ENDED
    this.asking = ""; // why the sign-in form stands there, see signin.js
  }

  run() {
    this.views = { signin: new SignIn(this), code: new Face(this), vouchers: new Vouchers(this), purchases: new Purchases(this), nearby: new Nearby(this), mine: new Mine(this) };
    this.used = new Used(this);
    this.push = new Push(this);
    window.addEventListener("hashchange", () => this.route(true));
    window.addEventListener("online", () => this.refresh());
    window.addEventListener("offline", () => this.offline());
    document.addEventListener("visibilitychange", () => this.seen());
    setInterval(() => this.tick(), 1000);
    this.route();
    this.refresh();
  }

  /** known: there is something to show without asking. */
  get known() {
    return Boolean(this.held || this.face);
  }

  /** route shows the view that the address names. */
  route(moved) {
    const wanted = location.hash.slice(1);
    let view = wanted in TITLES && wanted !== "signin" ? wanted : this.view && wanted === "main" ? this.view : "code";
    // Who is not known here is most likely a stranger: the form need not wait for the
    // service to say so.
    if (!this.known && !this.signed) view = view === "nearby" ? view : "signin";
    if (this.asking || (this.signed === false && (view === "purchases" || view === "vouchers"))) view = "signin";
    const changed = view !== this.view;
    this.view = view;
    show("data-view", view);
    $("bar").hidden = view === "signin";
    for (const link of $("bar").querySelectorAll("a")) {
      if (link.hash === `#${view}`) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    if (TITLES[view]) {
      $("title").textContent = TITLES[view];
      document.title = view === "signin" ? TITLES[view] : `${TITLES[view]} · 工会会员卡`;
    }
    if (changed) {
      window.scrollTo(0, 0);
      if (moved) $("title").focus();
      for (const [name, v] of Object.entries(this.views)) v.shown?.(name === view);
    }
    this.draw();
  }

  draw() {
    this.views[this.view]?.draw?.();
  }

  /** refresh asks the service how things stand; several askers get one answer. */
  refresh() {
    this.refreshing ??= this.look().finally(() => (this.refreshing = undefined));
    return this.refreshing;
  }

  async look() {
    try {
      const me = await this.service.get("me");
      this.online = true;
      this.pause = 0;
      await this.take(me);
    } catch (error) {
      if (error instanceof Offline) this.offline();
      else if (error instanceof Problem && error.status === 401) await this.signedOut();
      else if (error instanceof Problem) this.online = true;
      else throw error;
    }
    this.route();
  }

  /** take takes what the service says of the holder and sees to the keys. */
  async take(me) {
    this.signed = true;
    // Who went to read the message comes back to the form.
    if (this.asking !== "confirm") this.asking = "";
    this.me = me;
    this.where = me.enrolled;
    // The whole number is not kept: the face does without.
    this.face = { member: me.member, card: me.card && { ...me.card, number: undefined }, why: me.why || "" };
    await store.write({ face: this.face, clock: this.clock.state() });
    if (this.held) await this.renew(me);
    // Enrolled, but the answer or the database was lost: begin anew.
    else if (me.enrolled === "this" && this.usable) await this.enrol(true);
    else if (me.enrolled === "none" && this.justSignedIn && this.usable) await this.enrol(false);
    this.justSignedIn = false;
    this.push.open();
  }

  get usable() {
    return this.face?.card?.status === "active" && !this.face.card.expired;
  }

  /** prefix is the deployment's two digits, with which its numbers and codes begin. */
  get prefix() {
    return this.face.card.number_masked.slice(0, 2);
  }

  /** renew keeps the enrolment alive. The service knows which phone a session is on
   * once it has renewed: after a new sign-in that has to be tried. */
  async renew(me) {
    if (!this.usable) return;
    try {
      if (me.enrolled === "this") this.held = await enrolment.touch(this.clock);
      this.held = await enrolment.renew(this.service, this.clock, me.enrolled === "this" ? me.card.epoch : undefined);
      this.where = "this";
    } catch (error) {
      if (error.code === "enrolment_ended") await this.lose(error.ended || (me.enrolled === "other" ? "taken_over" : "copied"));
      else if (!error.words) throw error;
      // With a copy about, the sessions ended too.
      if (this.told === "copied") await this.signedOut();
    }
  }

  /** learn asks without a session whether the keys held are dead. */
  async learn() {
    try {
      this.held = await enrolment.renew(this.service, this.clock); // another tab may have signed in
    } catch (error) {
      if (error.code === "enrolment_ended") await this.lose(error.ended || "copied");
      else if (!error.words) throw error;
    }
  }

  /** enrol makes this phone the one with the codes; what went wrong is thrown. */
  async enrol(takeover) {
    try {
      this.held = await enrolment.enrol(this.service, this.clock, this.prefix, takeover);
      this.where = "this";
      this.told = "";
      this.slot = { now: 0, used: [0, 0] };
      await store.write({ slot: this.slot, why: undefined });
    } catch (error) {
      if (error.code === "sign_in_again") this.where = "again";
      else if (error.code === "enrolled_elsewhere") this.where = "other";
      else throw error;
    }
  }

  /** lose throws the keys away and says why. */
  async lose(why) {
    await enrolment.forget();
    await store.write({ why });
    this.held = undefined;
    this.told = why;
    // The next code is another enrolment's; until it is drawn the dead one must not show.
    $("digits").textContent = "";
    delete $("digits").dataset.code;
  }

  async signedOut() {
    this.signed = false;
    this.online = true;
    this.push.close();
    // Keys outlive a session that ran out, but not the enrolment.
    if (this.held) await this.learn();
    if (!this.held) {
      this.face = undefined;
      await store.write({ face: undefined });
    }
  }

  /** signedIn is told by the sign-in form. */
  async signedIn() {
    this.justSignedIn = true;
    this.asking = "";
    const { then, whose } = this;
    this.then = this.whose = undefined;
    if (location.hash) history.replaceState(null, "", location.pathname);
    await this.refresh();
    $("title").focus();
    if (whose && whose === this.face?.member.id) await then?.();
  }

  /** signIn shows the form; then is done after it, if it is the same member's. */
  signIn(then) {
    this.asking = this.signed ? "confirm" : "again";
    this.then = then;
    this.whose = this.face?.member.id;
    this.route(true);
  }

  /** back leaves the form to show what is known without it. */
  back() {
    this.asking = "";
    this.then = undefined;
    if (location.hash !== "#code") location.hash = "code";
    this.route(true);
  }

  /** signOut forgets everything on this phone. */
  async signOut() {
    await this.service.ask("DELETE", "session").catch((error) => {
      if (error.status !== 401) throw error;
    });
    this.push.close();
    await store.clear();
    location.replace(location.pathname);
  }

  /** offline notes that the service does not answer. A browser says that the network
   * is back a moment before it is, or believes it never went: then it is asked again. */
  offline() {
    this.online = false;
    this.draw();
    clearTimeout(this.retry);
    if (!navigator.onLine || document.hidden) return;
    this.pause = Math.min((this.pause || 1000) * 2, MOST_PAUSE);
    this.retry = setTimeout(() => this.refresh(), this.pause);
  }

  /** use notes that a code was used and shows the other slot's. */
  async use(slot, step) {
    this.slot.used[slot] = Math.max(step, this.slot.used[slot]);
    if (this.slot.now === slot) this.slot.now = 1 - slot;
    await store.write({ slot: this.slot });
    this.draw();
  }

  /** seen: the page came to the front, or went. */
  seen() {
    if (document.hidden) {
      this.push.close();
      store.write({ clock: this.clock.state() });
    } else {
      this.clock.rest();
      this.refresh();
    }
    this.views.code.awake();
  }

  tick() {
    if (document.hidden) return;
    if (this.clock.tick()) {
      store.write({ clock: this.clock.state() });
      this.refresh();
    }
    if (this.view === "code") this.views.code.tick();
  }
}
