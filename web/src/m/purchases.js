// What the holder bought with the card, and what that saved. Shown from the
// service each time, never kept on the phone.
import { $, busy, fill, say } from "./page.js";
import { date, yuan } from "./words.js";

/** What a purchase's state is called; one that stands needs no word. */
const STATES = { voided: "已撤销", reversed: "已冲正", refunded: "已全部退款", partially_refunded: "有退款" };

export class Purchases {
  constructor(app) {
    this.app = app;
    this.stale = true;
    $("purchases-more").addEventListener("click", () => busy($("purchases-more"), $("purchases-note"), () => this.load(this.next)));
  }

  async shown(is) {
    if (!is || this.app.signed === false) return;
    say($("purchases-note"), "正在查询…");
    await busy($("purchases"), $("purchases-note"), () => this.load());
  }

  async load(cursor) {
    const page = await this.app.service.get(`purchases${cursor ? `?cursor=${encodeURIComponent(cursor)}` : ""}`);
    $("saved").hidden = false;
    $("saved-total").textContent = yuan(page.saved_fen.total);
    $("saved-year").textContent = yuan(page.saved_fen.year);
    const rows = page.items.map((p) => fill($("purchase"), {
      outlet: p.outlet,
      saved: p.discount_fen > 0 && (p.state === "committed" || p.state === "partially_refunded") ? `省 ${yuan(p.discount_fen)}` : "",
      amounts: `原价 ${yuan(p.amount_fen)}，实付 ${yuan(p.payable_fen)}${p.returned_fen ? `，已退 ${yuan(p.returned_fen)}` : ""}`,
      at: date(Date.parse(p.at)),
      state: STATES[p.state] || (p.returned_fen ? STATES.partially_refunded : ""),
    }));
    if (cursor) $("purchases").append(...rows);
    else $("purchases").replaceChildren(...rows);
    this.next = page.next;
    $("purchases-more").hidden = !page.next;
    const none = !cursor && rows.length === 0;
    say($("purchases-note"), none ? "还没有优惠消费。到签约商家付款前出示会员码，就能享受优惠；“优惠商家”里可以查到附近有哪些。" : "");
  }
}
