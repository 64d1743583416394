// The card's face: who, which card, and the code of this half minute.
import { SKEW_WORTH_SAYING } from "./clock.js";
import { code128, qr } from "./draw.js";
import * as enrolment from "./enrolment.js";
import { $, busy, say, show } from "./page.js";
import * as store from "./store.js";
import { codeOf, keyFor, STEP, stepOf } from "./totp.js";
import { Wake } from "./wake.js";
import { ENDED } from "./signin.js";
import { clockTime, groups, moment, span } from "./words.js";

/** What a card that earns nothing says, by its status. */
const STATUS = {
  lost: ["会员卡已挂失", "会员码和实体卡都停用了，谁也不能再用。找到了可以凭短信验证码解除；找不回来的，请到所在工会补卡。"],
  suspended: ["会员卡已暂停", "这张卡暂时不能享受优惠。请联系所在工会了解原因。"],
  inactive: ["会员卡还没有激活", "重新登录一次即可激活；仍不行请联系所在工会。"],
  left: ["会员卡已注销", "您已办理离会，会员卡随之注销。重新入会后会有新卡。"],
  cancelled: ["会员卡已注销", "如有疑问，请联系所在工会。"],
  expired: ["会员卡已过有效期", "请联系所在工会办理续期，续期后会员码自动恢复。"],
};

export class Face {
  constructor(app) {
    this.app = app;
    this.wake = new Wake();
    this.drawn = "";
    this.act = undefined; // what the message's button does
    $("message-act").addEventListener("click", () => busy($("message-act"), $("message-wrong"), () => this.act()));
    $("other-code").addEventListener("click", () => this.change());
    $("face-lost").addEventListener("click", () => {
      location.hash = "mine";
    });
    $("relogin").addEventListener("click", () => app.signIn());
    window.addEventListener("resize", () => this.redraw());
    document.addEventListener("type", () => this.redraw());
  }

  shown(is) {
    this.visible = is;
    this.awake();
  }

  awake() {
    this.wake.want(Boolean(this.visible && this.coding && !document.hidden));
  }

  /** draw shows the face as things stand. */
  draw() {
    const { face } = this.app;
    const member = face?.member;
    say($("face-union"), member?.union || "工会会员卡");
    say($("face-own"), member?.own_union && member.own_union !== member.union ? member.own_union : "");
    say($("face-name"), member?.name || "");
    $("face-number").textContent = face?.card ? face.card.number_masked : "—";
    $("face-valid").textContent = face?.card?.valid_until || "—";
    this.status();
    const message = this.message();
    this.coding = !message;
    show("data-face", message ? "message" : "code");
    $("other-code").hidden = Boolean(message);
    $("face-lost").hidden = !face?.card || face.card.status === "lost";
    this.awake();
    if (message) this.tell(message);
    else this.tick();
  }

  /** status is the line about the network, and what is to be said of the clock. */
  status() {
    const { app } = this;
    const { held, online, clock, signed } = app;
    const line = $("net");
    line.dataset.net = online ? "on" : "off";
    // A card that is lost shows no code, whatever keys lie here.
    const limit = held && app.usable && moment(enrolment.until(held));
    let words = "";
    if (!online) words = limit && this.left() > 0 ? `没有网络，离线可用至 ${limit}` : "没有网络";
    else if (signed === false && held) words = limit ? `登录已过期，离线可用至 ${limit}` : "登录已过期";
    else if (held && signed) words = limit ? `已联网。断网后可用至 ${limit}` : "已联网";
    say(line, words);
    $("relogin").hidden = !(online && signed === false && held);
    let skew = "";
    if (clock.unsure && !online) skew = "手机的时间刚被改动过，会员码可能不被接受。请打开网络，时间会自动校正。";
    else if (Math.abs(clock.offset) >= SKEW_WORTH_SAYING) {
      skew = `手机时间${clock.offset > 0 ? "慢" : "快"}了约 ${span(clock.offset)}，会员码已按服务器时间校正，可以照常使用。`;
      if (!online) skew += "如果之后又改过手机时间，请联网一次。";
    }
    say($("skew"), skew);
  }

  /** left is how long in ms codes may still be shown. */
  left() {
    return enrolment.until(this.app.held) - this.app.clock.now();
  }

  /** message is what stands in the code's place: [title, text, button, act]; undefined
   * when the code can be shown. */
  message() {
    const { app } = this;
    const { face, held, online, signed, where, told } = app;
    if (face && !face.card) return STATUS[face.why] || ["还没有会员卡", "工会还没有给您发卡。请联系所在工会办理。", "重新查询", () => app.refresh()];
    const status = face?.card?.expired ? "expired" : face?.card?.status;
    if (face?.card?.status === "lost") return [...STATUS.lost, "找到了，解除挂失", () => (location.hash = "mine")];
    if (status && status !== "active") return [...(STATUS[status] || STATUS.suspended), ...(status === "expired" || status === "cancelled" ? [] : ["重新查询", () => app.refresh()])];
    const moved = told === "taken_over";
    if (where === "again") {
      return ["请再确认一次是您本人", "为了不让别人把会员码转走，在这部手机上启用之前，要再用一次短信验证码。", "获取短信验证码", () => this.confirm()];
    }
    if (moved || where === "other") {
      return [moved ? "会员码已转到另一部手机" : "会员码在另一部手机上",
        `${moved ? "这部手机上的会员码已经停用。如果不是您本人操作，请马上挂失。" : ""}换到这部手机后，另一部手机上的会员码马上停用。`,
        "换到这部手机", () => this.enrol(true)];
    }
    if (told) return ["这部手机上的会员码已停用", ENDED[told] || ENDED.copied, "重新登录", () => app.signIn()];
    if (!held) {
      if (!online) return ["这部手机还没有会员码", "请先联网一次，之后没有网络也能用 7 天。", "重试", () => app.refresh()];
      if (signed === false) return ["请重新登录", "登录后才能启用会员码。", "登录", () => app.signIn()];
      return ["在这部手机上启用会员码", "启用后没有网络也能出示会员码。", "启用会员码", () => this.enrol(false)];
    }
    const { keys } = held;
    if (this.left() <= 0 || !keyFor(keys, app.slot.now, app.clock.now())) {
      return ["太久没有联网", `为了安全，会员码在上次联网 7 天后停用（${moment(enrolment.until(held))}）。请打开网络，会自动恢复。如果手机的时间不对，请先改正。`,
        signed === false && online ? "重新登录" : "重新联网", () => (signed === false && online ? app.signIn() : this.again())];
    }
    return undefined;
  }

  tell([title, text, button, act]) {
    this.drawn = "";
    const changed = $("message-title").textContent !== title;
    $("message-title").textContent = title;
    $("message-text").textContent = text;
    if (changed) say($("message-wrong"), "");
    $("message-act").hidden = !button;
    $("message-act").textContent = button || "";
    this.act = act;
  }

  async enrol(takeover) {
    await this.app.enrol(takeover);
    if (this.app.where === "again") this.confirm();
    else await this.app.refresh();
  }

  /** confirm asks for a code by SMS, without which no phone takes over. */
  confirm() {
    this.app.signIn(() => busy($("message-act"), $("message-wrong"), () => this.app.held || this.enrol(true)));
  }

  async again() {
    await this.app.refresh();
    if (!this.app.online) say($("message-wrong"), "还是没有连上网络。");
  }

  /** change shows the other slot's code, for a second purchase without a network. */
  async change() {
    const { app } = this;
    app.slot.now = 1 - app.slot.now;
    await store.write({ slot: app.slot });
    this.tick();
    $("digits").focus?.();
  }

  redraw() {
    this.drawn = "";
    if (this.visible) this.tick();
  }

  /** tick shows the time left, and the next code when it is over. */
  tick() {
    if (!this.coding) return;
    const { app } = this;
    const now = app.clock.now();
    if (this.left() <= 0) return this.draw();
    const left = Math.ceil((STEP - (now % STEP)) / 1000);
    const step = stepOf(now);
    $("left").textContent = String(left);
    $("ring").style.strokeDashoffset = String(100 - (left / 30) * 100);
    // Both codes of this half minute are used: the next one is near.
    const used = app.slot.used[app.slot.now] >= step;
    say($("slot"), used ? `此码已用，${left} 秒后换新` : "");
    $("digits").dataset.slot = String(app.slot.now);
    const wanted = `${step}.${app.slot.now}.${app.held.epoch}`;
    if (wanted !== this.drawn) this.code(wanted, now);
  }

  async code(wanted, now) {
    this.drawn = wanted;
    const key = keyFor(this.app.held.keys, this.app.slot.now, now);
    if (!key) return this.draw();
    performance.mark("code");
    const digits = await codeOf(key, now);
    performance.measure("code digits", "code");
    if (wanted !== this.drawn) return; // a later one came before
    qr($("qr"), digits);
    code128($("bars"), digits);
    $("digits").textContent = groups(digits);
    $("digits").dataset.code = digits;
    $("digits").dataset.until = clockTime((stepOf(now) + 1) * STEP);
    performance.measure("code shown", "code");
  }
}
