// Signing in by phone number and a code in a short message. Known and unknown
// numbers get the same answer, so the page never says that a number is unknown.
import { Problem } from "./api.js";
import { $, busy, say } from "./page.js";

/** phoneNumber tidies what was typed: full-width digits, spaces, +86. */
export function phoneNumber(typed) {
  const digits = typed.normalize("NFKC").replace(/[\s\-()]/g, "").replace(/^(\+|00)86/, "");
  return /^1[3-9]\d{9}$/.test(digits) ? digits : "";
}

/** smsCode tidies a typed code. */
export const smsCode = (typed) => typed.normalize("NFKC").replace(/\D/g, "");

/** Wait counts a button's waiting time down in its label. */
export class Wait {
  constructor(button, words) {
    this.button = button;
    this.words = words;
  }

  start(seconds) {
    clearInterval(this.timer);
    const end = performance.now() + seconds * 1000;
    const tell = () => {
      const left = Math.ceil((end - performance.now()) / 1000);
      this.button.disabled = left > 0;
      this.button.textContent = left > 0 ? `${this.words}（${left} 秒）` : this.words;
      if (left <= 0) clearInterval(this.timer);
    };
    tell();
    this.timer = setInterval(tell, 1000);
  }
}

/** sendCode asks for a short message; what to wait goes to the button. */
export async function sendCode(service, phone, wait) {
  try {
    const answer = await service.post("code", { phone });
    wait.start(answer.wait_s || 60);
    return answer;
  } catch (error) {
    if (error instanceof Problem && error.retryAfter) wait.start(error.retryAfter);
    throw error;
  }
}

/** Why a phone has no codes any more, by phone_enrolments.ended. */
export const ENDED = {
  taken_over: "会员码已转到另一部手机。如果不是您本人操作，请马上挂失。",
  copied: "会员码的凭证只能在一部手机上用一次，发现重复使用就会停用。请重新登录后启用；如果不是您本人操作，请马上挂失。",
  signed_out: "已经退出登录。重新登录后可以再启用。",
  ended_elsewhere: "在另一部手机上让这部手机退出了登录。重新登录后可以再启用；如果不是您本人操作，请马上挂失。",
  number_changed: "在工会登记的手机号已经更改，请用新的手机号登录。如果不是您本人要求更改的，请马上联系所在工会。",
  left: "您已办理离会，会员卡随之注销。重新入会后会有新卡。",
};

export class SignIn {
  constructor(app) {
    this.app = app;
    this.wait = new Wait($("sms-again"), "重新获取");
    this.first = new Wait($("phone-send"), "获取短信验证码");
    $("phone-form").addEventListener("submit", (event) => this.ask(event));
    $("code-form").addEventListener("submit", (event) => this.enter(event));
    $("sms-again").addEventListener("click", () => busy($("sms-again"), $("sms-wrong"), () => this.again()));
    $("sms-other").addEventListener("click", () => this.other());
    $("signin-back").addEventListener("click", () => this.app.back());
  }

  draw() {
    const { app } = this;
    const { asking, told } = app;
    const confirm = asking === "confirm" ? "请用短信验证码再确认一次是您本人，然后接着办理。" : "";
    say($("signin-why"), confirm || (told && !app.held ? `这部手机上的会员码已停用。${ENDED[told] || ENDED.copied}` : asking ? "登录后接着使用会员码。" : ""));
    $("signin-back").hidden = !app.known;
  }

  async ask(event) {
    event.preventDefault();
    const phone = phoneNumber($("phone").value);
    $("phone").setAttribute("aria-invalid", String(!phone));
    if (!phone) {
      say($("phone-wrong"), "请填写 11 位手机号。");
      return $("phone").focus();
    }
    await busy($("phone-send"), $("phone-wrong"), async () => {
      this.phone = phone;
      this.sent(await sendCode(this.app.service, phone, this.wait).catch((error) => {
        if (error.retryAfter) this.first.start(error.retryAfter);
        throw error;
      }));
    });
  }

  sent(answer) {
    $("phone-form").hidden = true;
    $("code-form").hidden = false;
    const minutes = Math.round((answer.valid_s || 300) / 60);
    say($("code-sent"), `验证码已发往 ${this.phone.slice(0, 3)}****${this.phone.slice(-4)}（如已登记），${minutes} 分钟内有效。`);
    $("sms").value = "";
    $("sms").focus();
  }

  async again() {
    this.sent(await sendCode(this.app.service, this.phone, this.wait));
  }

  other() {
    $("code-form").hidden = true;
    $("phone-form").hidden = false;
    $("phone").focus();
  }

  async enter(event) {
    event.preventDefault();
    const code = smsCode($("sms").value);
    if (!code) {
      say($("sms-wrong"), "请填写短信里的数字。");
      return $("sms").focus();
    }
    const done = await busy($("sms-send"), $("sms-wrong"), async () => {
      await this.app.service.post("session", { phone: this.phone, code });
      await this.app.signedIn();
    });
    $("sms").setAttribute("aria-invalid", String(!done));
    if (!done) return $("sms").focus();
    $("sms").value = "";
    $("code-form").hidden = true;
    $("phone-form").hidden = false;
    $("phone").value = "";
  }
}
