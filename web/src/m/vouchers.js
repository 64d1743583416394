// Vouchers (消费券): those of the holder, and the series that can be claimed. Shown
// from the service each time, never kept on the phone: a till uses them by itself.
//
// At a series' first minute everybody presses at once. The button waits for the
// service's clock, not the phone's, and asks nothing before; a claim whose answer was
// lost is sent again, since the service gives the same answer to the same member.
import { Offline } from "./api.js";
import { $, busy, fill, say } from "./page.js";
import { moment, yuan } from "./words.js";

const STATES = { good: "", later: "还没到使用日期", over: "已结束", paused: "暂停使用" };

/** How often and how long a claim is tried again while the service is too busy or
 * does not answer, in ms. */
const TRIES = 8;
const pause = (n) => Math.min(500 * 2 ** n, 8000);

export class Vouchers {
  constructor(app) {
    this.app = app;
    $("offers").addEventListener("click", (event) => {
      const button = event.target.closest("button[data-series]");
      if (button) this.claim(Number(button.dataset.series), button);
    });
  }

  async shown(is) {
    clearInterval(this.timer);
    if (!is || this.app.signed === false) return;
    say($("vouchers-note"), "正在查询…");
    if (await busy($("vouchers"), $("vouchers-note"), () => this.load())) this.wait();
    else this.unreached();
  }

  async load() {
    const answer = await this.app.service.get("vouchers");
    // What was claimed stands below; what can be claimed now comes first.
    const order = (o) => (o.sold_out ? 2 : Date.parse(o.claim_from) > this.app.clock.now() ? 1 : 0);
    this.offers = answer.offers.filter((o) => !o.mine).sort((a, b) => order(a) - order(b));
    $("offers").replaceChildren(...this.offers.map((o) => this.offer(o)));
    $("vouchers").replaceChildren(...answer.held.map(held));
    $("offers-title").hidden = this.offers.length === 0;
    $("vouchers-title").hidden = answer.held.length === 0;
    say($("vouchers-note"), answer.held.length || this.offers.length ? "" : "现在没有消费券。工会发放或开放领取时，会显示在这里。");
    this.count();
  }

  unreached() {
    if (!this.app.online) say($("vouchers-note"), `${$("vouchers-note").textContent} 已领到的消费券照常可用：付款前出示会员码，自动抵扣。`);
  }

  offer(o) {
    const row = fill($("offer"), {
      title: title(o), name: o.name, give: `每人 ${o.per_pack} 张，共抵 ${yuan(o.per_pack * o.face_fen)}`,
      use: use(o), where: where(o), how: o.stackable ? "可与商家优惠一起用。" : "与商家优惠比，哪个省得多用哪个。",
    });
    const item = row.querySelector("li");
    item.dataset.series = o.id;
    item.querySelector("button").dataset.series = o.id;
    item.querySelector("button").setAttribute("aria-label", `领取${o.name}`);
    return row;
  }

  /** wait counts down to the openings, once a second while the view is shown. */
  wait() {
    clearInterval(this.timer);
    this.timer = setInterval(() => this.count(), 1000);
  }

  /** count says of each offer when it can be claimed. */
  count() {
    const now = this.app.clock.now();
    for (const o of this.offers || []) {
      const item = $("offers").querySelector(`li[data-series="${o.id}"]`);
      const button = item.querySelector("button");
      const from = Date.parse(o.claim_from);
      const until = Date.parse(o.claim_until);
      const state = o.sold_out ? "none" : now < from ? "early" : now >= until ? "late" : "open";
      if (button.getAttribute("aria-busy") === "true") continue;
      button.hidden = state !== "open";
      // A countdown that was read out each second would leave nothing else to hear.
      const words = { none: "已领完", early: `${moment(from)} 开放领取，还有 ${left(from - now)}`, late: "领取已结束", open: `领取至 ${moment(until)}` };
      say(item.querySelector("[data-when]"), words[state]);
    }
  }

  async claim(series, button) {
    const item = button.closest("li");
    const place = item.querySelector("[data-wrong]");
    const when = item.querySelector("[data-when]");
    const offer = this.offers.find((o) => o.id === series);
    say($("vouchers-done"), "");
    let claimed;
    await busy(button, place, async () => (claimed = await this.ask(series, when)));
    if (claimed) {
      await busy($("vouchers"), $("vouchers-note"), () => this.load());
      say($("vouchers-done"), `领到了 ${claimed.vouchers} 张“${offer.name}”（${title(offer)}）。`);
      return $("vouchers-done").focus();
    }
    if (this.refused === "sign_in_needed") {
      this.app.signed = false;
      this.app.signIn(() => (location.hash = "vouchers"));
    }
    if (this.refused === "claim_sold_out") offer.sold_out = true;
    this.count();
  }

  /** ask claims, and asks again while there is no definite answer. */
  async ask(series, when) {
    for (let n = 0; ; n++) {
      try {
        this.refused = "";
        return await this.app.service.post("vouchers/claim", { series });
      } catch (error) {
        const again = error instanceof Offline || error.status === 503 || error.status === 429;
        this.refused = error.code || "";
        if (!again || n >= TRIES) {
          if (again) error.also = "也可能已经领到：过一会儿打开本页就能看到，再按“领取”也不会重复。";
          throw error;
        }
        say(when, error instanceof Offline ? "没有收到答复，正在再试…" : "领的人多，正在排队…");
        // Spread out, so that those turned away do not all come back at once.
        await new Promise((resolve) => setTimeout(resolve, pause(n) * (0.5 + Math.random())));
      }
    }
  }
}

const title = (s) => `满${plain(s.need_fen)}减${plain(s.face_fen)}`;

/** plain writes yuan without needless zeros: 5000 is 50. */
const plain = (fen) => String(fen / 100);

const use = (s) => `${day(s.first_day)}至${day(s.last_day)}可用`;

/** day writes 2026-11-24 as 11月24日. */
const day = (d) => `${Number(d.slice(5, 7))}月${Number(d.slice(8))}日`;

function where(s) {
  const places = s.merchants.length ? s.merchants.join("、") : `${s.office}辖区内的签约商家`;
  return `${places}${s.trades.length ? `（${s.trades.join("、")}）` : ""}`;
}

/** left counts hours, minutes and seconds: 1:02:03. */
function left(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const two = (n) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  if (h >= 48) return `${Math.floor(h / 24)} 天`;
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

function held(s) {
  const count = (state) => s.vouchers.filter((v) => v.state === state).length;
  const over = s.state === "over";
  const good = count("held");
  const row = fill($("voucher"), {
    title: title(s), name: s.name,
    good: good && !over ? `${good} 张可用` : "", none: good && !over ? "" : over && good ? "已过期" : "已用完",
    state: STATES[s.state], use: use(s), where: where(s),
    counts: [[good && over ? good : 0, "过期"], [count("used"), "已用"], [count("expired"), "过期"], [count("revoked"), "已收回"]].filter(([n]) => n).map(([n, word]) => `${word} ${n} 张`).join("，"),
  });
  row.querySelector("ul").append(...s.vouchers.filter((v) => v.used_at).map((v) => {
    const line = document.createElement("li");
    line.textContent = `${moment(Date.parse(v.used_at))} 用于${v.outlet}`;
    return line;
  }));
  return row;
}
