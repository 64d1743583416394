// The holder's own matters: lost and found, other phones, signing out.
import * as enrolment from "./enrolment.js";
import { Offline } from "./api.js";
import { $, ask, busy, say } from "./page.js";
import { sendCode, smsCode, Wait } from "./signin.js";
import * as store from "./store.js";
import { groups, moment, span } from "./words.js";
import { SKEW_WORTH_SAYING } from "./clock.js";

export class Mine {
  constructor(app) {
    this.app = app;
    this.wait = new Wait($("found-ask"), "获取短信验证码");
    $("lost").addEventListener("click", () => this.lost());
    $("found-ask").addEventListener("click", () => busy($("found-ask"), $("found-wrong"), () => this.foundCode()));
    $("found-form").addEventListener("submit", (event) => this.found(event));
    $("others").addEventListener("click", () => this.others());
    $("mine-signin").addEventListener("click", () => app.signIn());
    $("signout").addEventListener("click", () => this.signOut());
  }

  draw() {
    const { face, held, clock, online, signed } = this.app;
    say($("mine-name"), face?.member?.name || "会员");
    say($("mine-union"), [...new Set([face?.member?.union, face?.member?.own_union])].filter(Boolean).join("　"));
    say($("mine-state"), face?.card ? `卡号 ${groups(this.app.me?.card?.number || face.card.number_masked)}` : "");
    const lost = face?.card?.status === "lost";
    $("lost").hidden = lost || !face?.card;
    $("found-form").hidden = !lost;
    $("lost-text").textContent = lost
      ? "会员卡已挂失，会员码和实体卡都停用了。"
      : face?.card ? "挂失后会员码和实体卡马上停用，白天夜里都可以办理。" : "您没有可挂失的会员卡。";
    if (lost) say($("lost-done"), "");
    $("mine-offline").textContent = held && !this.app.usable ? "会员卡现在不能用，会员码已停用。" : held
      ? `${online && signed ? "已联网。" : ""}没有网络时，会员码可用至 ${moment(enrolment.until(held))}；每次联网打开本页都会顺延到 7 天后。`
      : "这部手机上没有启用会员码。";
    $("mine-clock").textContent = Math.abs(clock.offset) < SKEW_WORTH_SAYING
      ? clock.unsure ? "手机时间可能被改动过，请联网一次来核对。" : "手机时间准确。"
      : `手机时间${clock.offset > 0 ? "慢" : "快"}了约 ${span(clock.offset)}，会员码已自动校正。建议在系统设置里打开“自动确定日期和时间”。`;
    $("others").hidden = signed !== true;
    $("mine-signin").hidden = $("mine-expired").hidden = signed !== false;
  }

  async lost() {
    const sure = await ask("要挂失会员卡吗？", [
      "会员码和实体卡马上停用：任何商家都不再认，已出示而未付款的码也一样。",
      "您的会员身份和以前的消费记录不受影响。",
      "找到后，凭发到登记手机号的验证码可以解除挂失。",
      "找不回来的，请到所在工会补卡。",
    ], "挂失", true);
    if (sure) await this.report();
  }

  async report() {
    await busy($("lost"), $("lost-wrong"), async () => {
      try {
        await this.app.service.post("lost");
      } catch (error) {
        if (error.status === 401) {
          this.app.signed = false;
          return this.app.signIn(() => this.go(() => this.report())); // signed in, it goes on by itself
        }
        if (error instanceof Offline) error.also = "也可以借别人的手机登录挂失，或联系所在工会。";
        throw error;
      }
      await this.app.refresh();
      // No network may follow; what the service has said is kept at once.
      if (this.app.face?.card) this.app.face.card.status = "lost";
      await store.write({ face: this.app.face });
      this.draw();
      $("title").focus();
    });
  }

  async foundCode() {
    // Signed in: the service knows the number.
    await sendCode(this.app.service, undefined, this.wait);
    say($("found-sent"), "验证码已发往您登记的手机号，请填写短信里的数字。");
    $("found-code").focus();
  }

  async found(event) {
    event.preventDefault();
    const code = smsCode($("found-code").value);
    if (!code) {
      say($("found-wrong"), "请先获取验证码，再填写短信里的数字。");
      return $("found-code").focus();
    }
    await busy($("found-send"), $("found-wrong"), async () => {
      await this.app.service.post("found", { code });
      $("found-code").value = "";
      await this.app.refresh();
      say($("lost-done"), "已解除挂失，卡和会员码恢复使用。");
      $("title").focus();
    });
  }

  /** go comes back here from the sign-in form and goes on with what was begun. */
  go(work) {
    location.hash = "mine";
    return work();
  }

  async others() {
    const sure = await ask("让其他手机退出登录？", ["用您的手机号登录的其他手机都会退出。", "会员码如果在另一部手机上，也马上停用。", "这部手机不受影响。"], "让它们退出");
    if (sure) await this.endOthers();
  }

  async endOthers() {
    await busy($("others"), $("mine-wrong"), async () => {
      try {
        await this.app.service.post("session/others/end");
      } catch (error) {
        if (error.code !== "sign_in_again") throw error;
        return this.app.signIn(() => this.go(() => this.endOthers()));
      }
      await this.app.refresh();
      say($("mine-wrong"), "");
      $("others").textContent = "其他手机已退出登录";
    });
  }

  async signOut() {
    const sure = await ask("要退出登录吗？", ["这部手机上的会员码马上停用，保存的内容全部清除。", "再次使用时，要用短信验证码登录。", "会员卡本身不受影响，实体卡照常可用。"], "退出登录");
    if (sure) await busy($("signout"), $("mine-wrong"), () => this.app.signOut());
  }
}
