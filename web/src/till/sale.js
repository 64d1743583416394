// One sale at the till, from the first key to the receipt. Amount first or code
// first is the same: whoever comes second brings the price. Knows nothing of the
// page; `changed` is told whenever something is different.
//
//   idle ── code ──▶ checking ──▶ card ── amount ──▶ checking ──▶ quote ── commit ──▶ sending ──▶ done
//     └─ amount, code ─▶ checking ──────────────────────────────▶ quote     │            ├──▶ unanswered ──▶ done, refused
//                           └──▶ refused                        expired ◀───┘            └──▶ refused, quote (changed)
import { kindOf, slipped } from "./code.js";
import { fenOf, pressed, yuan } from "./format.js";
import { basket } from "./parts.js";

/** CODE_LIFE is how long a phone code may be asked about again after the first time, ms. */
const CODE_LIFE = 110_000;

/** KEPT is what a reload brings back: never a code, which is as good as the card. */
const KEPT = ["phase", "amount", "parts", "part", "items", "card", "kind", "quote", "receipt", "changedBy", "saleKey", "result", "problem"];

export class Sale {
  #code = "";
  #codeAt = 0;
  #turn = 0; // answers to what is no longer asked are dropped

  /** shop is what the service says this terminal is; asked anew by renew(). */
  constructor({ api, settle, settings, changed, sound, store, shop, renew }) {
    Object.assign(this, { api, settle, settings, changed, sound, store, shop, renew });
    this.#blank();
  }

  #blank() {
    Object.assign(this, { phase: "idle", amount: "", parts: {}, part: null, items: undefined, card: null, kind: null, quote: null, receipt: null, problem: null, changedBy: null, saleKey: null, result: null, stale: false });
    this.#code = "";
    this.#turn++;
  }

  get fen() {
    return fenOf(this.amount) ?? 0;
  }

  /** over is how much the parts are over the amount, fen. */
  get over() {
    return basket(this.fen, this.shop(), this.parts).over;
  }

  /** select makes the pad type a part of the amount; null: the amount. */
  select(part) {
    if (this.busy || ["checking", "done", "unanswered"].includes(this.phase)) return;
    this.part = part;
    this.#tell();
  }

  /** #pressPart changes a part and leaves the amount as it is. */
  #pressPart(key) {
    if (this.phase === "quote") this.#step(this.recheckable ? "card" : "idle", { quote: null, changedBy: null, ...(this.recheckable ? {} : { card: null, kind: null }) });
    else if (this.phase !== "card") this.#step("idle", { problem: null, card: null, kind: null });
    if (this.phase === "idle") this.#code = "";
    this.parts = { ...this.parts, [this.part]: pressed(this.parts[this.part] ?? "", key) };
    this.#tell();
  }

  /** busy: something travels that must not be disturbed. */
  get busy() {
    return this.phase === "sending";
  }

  /** wantsCode: a code shown to the camera now would be for this sale. */
  get wantsCode() {
    return this.phase === "idle" || this.phase === "refused" || this.phase === "expired";
  }

  /** recheckable: the code at hand may be asked about again. */
  get recheckable() {
    return this.#code !== "" && (this.kind !== "phone" || Date.now() - this.#codeAt < CODE_LIFE);
  }

  clear() {
    if (this.busy) return;
    this.#blank();
    this.#tell();
  }

  /** press is a key of the pad while the amount is typed. */
  press(key) {
    if (this.busy || this.phase === "checking") return;
    if (!this.shop()?.parts?.some((p) => p.category === this.part)) this.part = null;
    if (this.part !== null && this.phase !== "done" && this.phase !== "unanswered") return this.#pressPart(key);
    // Another amount is another basket; its parts go with it.
    if (key !== "back" && ["refused", "expired", "quote"].includes(this.phase)) this.parts = {};
    if (this.phase === "done" || this.phase === "unanswered") this.#blank();
    else if (this.phase === "refused" || this.phase === "expired") this.#step("idle", { problem: null, amount: key === "back" ? this.amount : "", card: null, kind: null });
    else if (this.phase === "quote") this.#step(this.recheckable ? "card" : "idle", { quote: null, changedBy: null, amount: key === "back" ? this.amount : "", ...(this.recheckable ? {} : { card: null, kind: null }) });
    if (this.phase === "idle") this.#code = "";
    this.amount = pressed(this.amount, key);
    this.#tell();
  }

  /** show takes a code that somebody scanned or typed. */
  async show(code) {
    if (this.busy) return;
    if (this.phase === "done" || this.phase === "unanswered") {
      if (code === this.#code) return; // the camera still sees the one just used
      this.#blank();
    }
    if (code === this.#code && this.phase === "quote") return;
    const kind = kindOf(code);
    this.#code = code;
    this.#codeAt = Date.now();
    if (!kind || kind === "number" && slipped(code)) {
      this.#refuse({
        code: "code_format", title: "不是会员码", detail: kind ? "卡号输错了一位，请对照卡面逐位核对。" : "这不是工会会员码或卡号。",
        fix: kind ? "重新输入 16 位卡号。" : "请会员打开“会员码”页面再扫；不要扫商品条码或付款码。",
      });
      return;
    }
    await this.check(kind);
  }

  /** check asks about the code at hand, with the amount if there is one. */
  async check(kind = this.kind) {
    if (this.busy || !this.#code) return;
    const turn = ++this.#turn;
    const amount = this.fen;
    if (amount > 0 && this.over > 0) return this.#refuse(OVER(this.over));
    this.#step("checking", { problem: null, quote: null, changedBy: null, receipt: null, kind, part: null });
    let answer = await this.#verify(amount);
    if (turn !== this.#turn) return;
    if (this.#outdated(answer)) {
      // The offers changed since the parts were told: by the old ones the rest might
      // be taken for more than it is.
      await this.renew();
      if (turn !== this.#turn) return;
      answer = await this.#verify(amount);
      if (turn !== this.#turn) return;
      if (this.#outdated(answer)) return this.#refuse(BUSY);
    }
    if (answer.ok) {
      const { card, quote, as_of: view } = answer.body;
      this.sound.good();
      this.#step(quote ? "quote" : "card", { card, quote: quote ?? null, stale: view.stale });
    } else {
      this.#refuse(answer.problem ?? (answer.why === "server" ? BUSY : OFFLINE));
    }
  }

  #verify(amount) {
    this.items = basket(amount, this.shop(), this.parts).items;
    const body = amount > 0 ? { code: this.#code, amount_fen: amount, items: this.items } : { code: this.#code };
    return this.api.call("POST", "/v1/verifications", { body });
  }

  #outdated(answer) {
    return answer.ok && answer.body.quote && answer.body.as_of.terms_version !== this.shop()?.terms_version;
  }

  /** commit records the quoted sale under a key that is kept before it is sent. */
  async commit() {
    const { quote, card } = this;
    if (this.phase !== "quote") return;
    if (this.left() <= 0) return this.tick();
    const turn = ++this.#turn;
    const key = crypto.randomUUID();
    this.#step("sending", { saleKey: key });
    const operator = this.settings.operator.trim();
    let answer;
    try {
      answer = await this.settle.send({
        key, kind: "purchase", path: "/v1/purchases", body: { quote: quote.token, items: this.items, ...(operator && { operator }) }, until: quote.expires_at,
        show: { amount_fen: quote.amount_fen, discount_fen: quote.discount_fen, payable_fen: quote.payable_fen, holder: card?.holder_masked, number: card?.number_masked, offers: quote.applied.map((o) => o.title) },
      });
    } catch (error) {
      if (turn === this.#turn) this.#refuse({ code: "storage", title: "本机存不下", detail: `浏览器不让保存数据，所以没有提交（${error?.name ?? "错误"}）。`, fix: "请清理磁盘空间，或关闭无痕模式后重试。" });
      return;
    }
    if (turn !== this.#turn) return;
    if (answer.ok) this.#recorded(answer.body);
    else if (answer.lost) {
      this.sound.bad();
      this.#step("unanswered", { problem: answer.problem ?? null });
    } else if (answer.problem.quote) {
      // A limit was used up meanwhile: the new price is shown, not charged.
      this.sound.bad();
      this.#step("quote", { quote: answer.problem.quote, changedBy: answer.problem, saleKey: null });
    } else this.#refuse(answer.problem);
  }

  /** settled is told what became of an entry that had no answer; true if it was this
   * sale, so it need not be told elsewhere. */
  settled({ key, result }) {
    if (key !== this.saleKey || this.phase !== "unanswered" && this.phase !== "sending") return false;
    if (result.purchase) this.#recorded(result.purchase);
    else {
      this.sound.bad();
      this.#step("refused", { result, problem: result.problem ?? VOID[result.state] ?? VOID.tombstone });
    }
    return true;
  }

  /** undone is told that this sale's receipt was voided or refunded. */
  undone(purchase) {
    if (this.receipt?.id !== purchase.id) return;
    this.#step("done", { receipt: { ...this.receipt, ...purchase } });
  }

  #recorded(purchase) {
    this.sound.good();
    this.#step("done", { receipt: { ...purchase, holder: this.card?.holder_masked, number: this.card?.number_masked, offers: this.quote?.applied ?? [] }, problem: null });
  }

  #refuse(problem) {
    this.sound.bad();
    this.#turn++;
    this.#step("refused", { problem, quote: null, receipt: null, changedBy: null });
  }

  /** left is how long the quote is good, ms. */
  left() {
    return this.quote ? Date.parse(this.quote.expires_at) - this.api.now() : 0;
  }

  /** again waits for another code for the same amount. */
  again() {
    if (this.busy) return;
    this.#turn++;
    this.#code = "";
    this.#step("idle", { problem: null, card: null, kind: null, quote: null, changedBy: null, saleKey: null, result: null });
  }

  /** snapshot and restore: a scanner's first keys may have been taken for an amount. */
  snapshot() {
    return { ...Object.fromEntries(KEPT.map((k) => [k, this[k]])), code: this.#code, codeAt: this.#codeAt };
  }

  restore({ code, codeAt, ...kept }) {
    if (this.busy || this.phase === "checking") return;
    this.#code = code;
    this.#codeAt = codeAt;
    Object.assign(this, kept);
    this.#tell();
  }

  /** tick ends a quote whose time is over. A card's own code is asked about again at
   * once; a phone's has changed and must be shown again. */
  tick() {
    if (this.phase !== "quote" || this.left() > 0) return;
    if (this.recheckable && this.kind !== "phone") this.check();
    else this.#step("expired", { quote: null });
  }

  /** resume brings back what a reload interrupted. What was being sent is unanswered
   * until it is settled; what was being asked has to be shown again. */
  resume(open) {
    const kept = this.store.read();
    if (!kept) return;
    Object.assign(this, kept);
    if (this.phase === "sending" || this.phase === "unanswered") {
      const entry = open.find((e) => e.key === this.saleKey);
      // Recorded or refused and shown nowhere yet: the day's list has it.
      if (!entry) this.#blank();
      else if (entry.state === "settled") {
        this.phase = "unanswered";
        if (this.settled(entry)) this.settle.seen(entry.key);
      } else this.phase = "unanswered";
    } else if (this.phase === "checking" || this.phase === "card") Object.assign(this, { phase: "idle", card: null, kind: null });
    this.#tell();
    this.tick();
  }

  #step(phase, change) {
    Object.assign(this, change, { phase });
    this.#tell();
  }

  #tell() {
    this.store.write(Object.fromEntries(KEPT.map((k) => [k, this[k]])));
    this.changed(this);
  }
}

const OVER = (fen) => ({ code: "parts_over", title: "“其中”比金额多", detail: `“其中”几项加起来比金额多 ¥${yuan(fen)}。`, fix: "请改正“其中”或金额，再扫会员码。" });
const OFFLINE = { code: "offline", title: "没有网络", detail: "连不上服务，没有核验成。", fix: "检查网络后重新扫码；网络一时好不了，请按原价收款。" };
const BUSY = { code: "busy", title: "系统繁忙", detail: "服务暂时没有答复，没有核验成。", fix: "过几秒钟再扫一次；一直不行请按原价收款。" };
const VOID = {
  tombstone: { code: "not_recorded", title: "没有成交", detail: "已查清：这一笔没有记录优惠，以后也不会再记。", fix: "要享受优惠，请会员重新出示会员码；否则按原价收款。" },
  reversed: { code: "reversed", title: "已冲正", detail: "已查清：这一笔曾经记录，现在已经冲正，不算优惠。", fix: "收过优惠价的，请与会员补齐或重新办理。" },
};
