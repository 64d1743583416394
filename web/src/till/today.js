// Today's list, one purchase in detail, and undoing it: void on its day, refund by
// amount. Older ones are found by the number on their receipt.
import { facts, make, put, toast, ui } from "./ui.js";
import { at, fenOf, givenBack, on, STATES, yuan } from "./format.js";
import { receiptId } from "./code.js";
import { fixOf } from "./words.js";

export class Today {
  #next = "";
  #shown = null; // the purchase in the box
  #day = "";

  constructor({ api, settle, settings, actions }) {
    Object.assign(this, { api, settle, settings, actions });
    ui.more.addEventListener("click", () => this.load(this.#next));
    ui.find.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#find(event.target.querySelector("input").value);
    });
    ui.detailPrint.addEventListener("click", () => actions.print(this.#shown));
    ui.detailUndo.addEventListener("click", () => this.#startUndo());
    ui.undoForm.addEventListener("input", () => this.#effect());
    ui.undoForm.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#undo();
    });
  }

  /** load shows the day from the top, or the page after a cursor. */
  async load(cursor = "") {
    ui.more.disabled = true;
    if (!cursor) put(ui.todayNote, ui.rows.children.length ? "" : "正在读取…");
    const answer = await this.api.call("GET", `/v1/purchases/today${cursor ? `?cursor=${encodeURIComponent(cursor)}` : ""}`);
    ui.more.disabled = false;
    if (!answer.ok) {
      put(ui.todayNote, answer.problem ? `${answer.problem.detail}${fixOf(answer.problem)}` : "没有网络，读不到今日交易。网络恢复后再点“今日”。");
      return;
    }
    const { items, next, totals, business_day: day } = answer.body;
    this.#day = day;
    this.#next = next ?? "";
    ui.more.hidden = !next;
    ui.today.textContent = day;
    if (totals) this.#totals(totals);
    const rows = items.map((p) => this.#row(p));
    if (cursor) ui.rows.append(...rows);
    else ui.rows.replaceChildren(...rows);
    put(ui.todayNote, ui.rows.children.length ? "" : "今天还没有交易。收款成交后会列在这里。");
  }

  #totals({ count, undone, paid_fen: paid, saved_fen: saved, returned_fen: returned }) {
    ui.totals.hidden = count === 0;
    facts(ui.totals, [
      ["成交", `${count - undone} 笔${undone ? `（另有 ${undone} 笔已撤销）` : ""}`], ["实收", `¥${yuan(paid)}`], ["为会员省", `¥${yuan(saved)}`],
      ["已退", returned > 0 ? `¥${yuan(returned)}` : ""],
    ]);
  }

  #row(p) {
    return make("li", {}, make("button", { type: "button", class: "row", click: () => this.show(p) },
      make("span", { class: "row-time" }, at(p.committed_at)),
      make("strong", {}, `¥${yuan(p.payable_fen)}`),
      make("span", {}, `省 ¥${yuan(p.discount_fen)}`),
      make("span", { class: `state ${p.state === "committed" ? "good" : "off"}` }, STATES[p.state] ?? p.state)));
  }

  /** find opens the purchase of a receipt that was scanned. */
  find(id) {
    document.getElementById("find").value = id;
    return this.#find(id);
  }

  async #find(text) {
    const error = document.getElementById("find-error");
    const id = receiptId(text);
    if (!id) {
      put(error, "交易编号是小票上 36 位的字母、数字和短横线，请照小票核对，或扫小票上的码。");
      document.getElementById("find").focus();
      return;
    }
    put(error, "");
    const answer = await this.api.call("GET", `/v1/purchases/${id}`);
    if (answer.ok) this.show(answer.body);
    else put(error, answer.problem ? `${answer.problem.detail}${fixOf(answer.problem)}` : "没有网络，暂时查不到。");
  }

  /** show opens the box on a purchase, as it is now; undo: on how to undo it. */
  async show(purchase, undo = false) {
    ui.undoForm.hidden = true; // it may have been closed in the middle of another
    this.#draw(purchase);
    if (!ui.detailBox.open) ui.detailBox.showModal();
    if (undo && this.#undoable) this.#startUndo();
    const answer = await this.api.call("GET", `/v1/purchases/${purchase.id}`);
    if (!answer.ok || this.#shown?.id !== purchase.id) return;
    const stale = this.#shown.returned_fen !== answer.body.returned_fen;
    this.#draw({ ...purchase, ...answer.body });
    if (stale && !ui.undoForm.hidden) this.#startUndo(); // another till has given some back
  }

  get #undoable() {
    return this.#shown.state === "committed" || this.#shown.state === "partially_refunded";
  }

  #draw(p) {
    this.#shown = p;
    facts(ui.detailFacts, [
      ["状态", STATES[p.state]], ["时间", on(p.committed_at)], ["实收", `¥${yuan(p.payable_fen)}`], ["原价", `¥${yuan(p.amount_fen)}`], ["优惠", `¥${yuan(p.discount_fen)}`],
      ["已退", p.returned_fen > 0 ? `¥${yuan(p.returned_fen)}（收回优惠 ¥${yuan(p.given_back_fen)}）` : ""], ["会员卡", p.number], ["交易编号", p.id],
    ]);
    this.#arrange(!ui.undoForm.hidden);
  }

  /** #arrange shows the facts, or the form alone, which a small screen is full of. */
  #arrange(undoing) {
    const p = this.#shown;
    const open = this.#undoable;
    ui.undoForm.hidden = !(undoing && open);
    ui.detailUndo.hidden = ui.detailPrint.hidden = !ui.undoForm.hidden;
    if (!open) ui.detailUndo.hidden = true;
    ui.detailFacts.hidden = !ui.undoForm.hidden;
    ui.detailTitle.textContent = ui.undoForm.hidden ? "交易" : `撤销或退款：${at(p.committed_at)} 实收 ¥${yuan(p.payable_fen)}`;
  }

  // ---- undoing ----

  #startUndo() {
    const form = ui.undoForm;
    form.reset();
    this.#arrange(true);
    // A void is for the same day only; a day may also have been closed early, which
    // the service says.
    form.elements.kind.value = this.#sameDay() ? "void" : "refund";
    form.elements.kind[0].disabled = !this.#sameDay();
    form.elements.amount.value = yuan(this.#rest());
    form.elements.operator.value = this.settings.operator;
    put(ui.undoError, "");
    this.#effect();
    form.querySelector("input:checked").focus();
  }

  #sameDay() {
    const day = (time) => new Date(time).toLocaleDateString("sv-SE", { timeZone: "Asia/Shanghai" });
    return day(this.#shown.committed_at) === day(this.api.now()) || this.#shown.business_day === this.#day && this.#day !== "";
  }

  #rest() {
    return this.#shown.payable_fen - this.#shown.returned_fen;
  }

  /** #effect says what will happen before it does. */
  #effect() {
    const form = ui.undoForm;
    const refund = form.elements.kind.value === "refund";
    ui.refundAmount.hidden = !refund;
    ui.otherReason.hidden = form.elements.reason.value !== "";
    const rest = this.#rest();
    const fen = refund ? fenOf(form.elements.amount.value) : rest;
    const fits = fen !== null && fen > 0 && fen <= rest;
    if (refund && !fits) put(ui.undoEffect, `最多还能退 ¥${yuan(rest)}。`);
    else {
      const back = refund ? givenBack(this.#shown, fen) : this.#shown.discount_fen - this.#shown.given_back_fen;
      put(ui.undoEffect, `${refund ? (fen === rest ? "全部退完" : "部分退款") : "撤销整笔"}：把 ¥${yuan(fen)} 退给会员，收回优惠 ¥${yuan(back)}。办了就不能反悔，这个会员码也不能再用。`);
    }
    ui.undoGo.textContent = refund ? `退 ¥${fits ? yuan(fen) : "—"}` : "撤销整笔";
  }

  async #undo() {
    if (ui.undoGo.disabled) return; // pressed again before the first was sent
    const { elements } = ui.undoForm;
    const refund = elements.kind.value === "refund";
    const operator = elements.operator.value.trim();
    const reason = (elements.reason.value || elements.other.value).trim();
    const fen = fenOf(elements.amount.value);
    const wrong = !operator ? ["请填写收银员的工号或姓名。", elements.operator] : !reason ? ["请写明原因。", elements.other]
      : refund && !(fen > 0 && fen <= this.#rest()) ? [`退款金额要在 0.01 到 ${yuan(this.#rest())} 元之间。`, elements.amount] : null;
    if (wrong) {
      put(ui.undoError, wrong[0]);
      wrong[1].focus();
      return;
    }
    const purchase = this.#shown;
    ui.undoGo.disabled = true;
    put(ui.undoError, "");
    if (operator !== this.settings.operator) await this.settings.set({ operator });
    const address = `/v1/purchases/${purchase.id}/`;
    // One whose answer is missing may have been done; a second key would do it twice.
    if ((await this.settle.open().catch(() => [])).some((e) => e.state !== "settled" && e.path.startsWith(address))) {
      ui.undoGo.disabled = false;
      put(ui.undoError, "这一笔的上一次撤销或退款还没有查清，查清之前不能再办。请看屏幕上方“未查清”。");
      return;
    }
    const answer = await this.settle.send({
      key: crypto.randomUUID(), kind: refund ? "refund" : "void", path: `${address}${refund ? "refunds" : "void"}`,
      body: { operator, reason, ...(refund && { amount_fen: fen }) }, show: { amount_fen: refund ? fen : this.#rest() },
    }).catch((error) => ({ problem: { code: "storage", detail: `浏览器不让保存数据（${error?.name ?? "错误"}），没有提交。`, fix: "请清理磁盘空间后再试。" } }));
    ui.undoGo.disabled = false;
    if (answer.lost) {
      ui.detailBox.close();
      toast("没有收到答复，本机会自动查清，不要重复办理。", 8);
      return;
    }
    if (!answer.ok) {
      put(ui.undoError, `${answer.problem.detail}${fixOf(answer.problem)}`);
      return;
    }
    const { state, returned_fen: returned, given_back_fen: back } = answer.body;
    const after = { ...purchase, state, returned_fen: purchase.returned_fen + returned, given_back_fen: purchase.given_back_fen + back };
    ui.undoForm.hidden = true;
    this.#draw(after);
    this.actions.undone(after);
    toast(`${refund ? "已退款" : "已撤销"}：退给会员 ¥${yuan(returned)}，收回优惠 ¥${yuan(back)}。`, 8);
  }
}
