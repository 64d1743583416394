// "Used": what the holder sees when a purchase was recorded.
import { $, say } from "./page.js";
import * as store from "./store.js";
import { stepOf } from "./totp.js";
import { clockTime, yuan } from "./words.js";

export class Used {
  constructor(app) {
    this.app = app;
    this.last = undefined; // the purchase told last, over restarts of the page
    $("used").addEventListener("close", () => $("title").focus());
  }

  /** tell shows a purchase once, however often it is heard of. */
  async tell(purchase) {
    this.last ??= (await store.read("told")) ?? "";
    const id = String(purchase.purchase);
    if (this.last === id) return;
    this.last = id;
    await store.write({ told: id });
    const at = Date.parse(purchase.at);
    // A purchase that was only found in the list does not tell its slot: then the
    // one shown has to do. Switching once too often costs nothing.
    const slot = purchase.slot ?? this.app.slot.now;
    const byPhone = this.app.held && (purchase.code ?? "phone") === "phone";
    if (byPhone) await this.app.use(slot, stepOf(at));
    const none = purchase.discount_fen === 0;
    $("used").classList.toggle("none", none);
    $("used-title").textContent = none ? "消费已记录，本单没有优惠" : "优惠成功";
    for (const row of $("used").querySelectorAll("[data-saved]")) row.hidden = none;
    $("used-outlet").textContent = purchase.outlet || purchase.merchant;
    $("used-amount").textContent = yuan(purchase.amount_fen);
    $("used-discount").textContent = yuan(-purchase.discount_fen);
    $("used-payable").textContent = yuan(purchase.payable_fen);
    $("used-at").textContent = clockTime(at);
    say($("used-next"), byPhone ? "已换用新的会员码，可以接着使用。" : "");
    navigator.vibrate?.([120, 60, 120]);
    if (!$("used").open) $("used").showModal();
    $("used-title").focus();
    this.app.views.purchases.stale = true;
  }
}
