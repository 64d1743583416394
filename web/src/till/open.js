// The list of what is unanswered, and the notices of what has been found out since.
import { ask, make, toast, ui } from "./ui.js";
import { at, STATES, yuan } from "./format.js";

const KINDS = { purchase: "收款", void: "撤销", refund: "退款" };

export class OpenList {
  constructor({ settle, sound }) {
    Object.assign(this, { settle, sound });
    ui.openFlag.addEventListener("click", () => ui.openBox.showModal());
    ui.openRetry.addEventListener("click", async () => {
      ui.openRetry.disabled = true;
      await settle.now();
      ui.openRetry.disabled = false;
      if ((await settle.open()).some((e) => e.state === "open")) toast("还没有查清，稍后会自动再查。");
    });
  }

  /** show draws the entries; those that the sale on the screen is about are told
   * there and not in a notice. */
  show(entries) {
    const open = entries.filter((e) => e.state !== "settled");
    ui.openFlag.hidden = open.length === 0;
    ui.openFlag.textContent = `${open.length} 笔未查清`;
    ui.openRows.replaceChildren(...(open.length ? open.map((e) => this.#row(e)) : [make("li", {}, "都查清了。")]));
    ui.notices.replaceChildren(...entries.filter((e) => e.state === "settled").map((e) => this.#notice(e)));
  }

  #row(entry) {
    const stranded = entry.state === "stranded";
    const actions = make("div", { class: "row-keys" });
    if (stranded) actions.append(make("button", { type: "button", class: "small-key", click: () => this.#forget(entry) }, "已记下，移除"));
    else if (entry.kind === "purchase" && !entry.giveUp) actions.append(make("button", { type: "button", class: "small-key", click: () => this.giveUp(entry.key) }, "放弃这笔"));
    return make("li", {},
      make("strong", {}, `${at(entry.at)} ${KINDS[entry.kind]} ¥${yuan(sum(entry))}`),
      make("p", {}, stranded
        ? `这一笔是本机换终端之前提交的，现在的终端查不到它。请把这个号告诉帮扶中心查询：${entry.key}`
        : entry.giveUp ? "正在作废：网络恢复后冲正，不会再成交。" : "正在自动查询。"),
      actions);
  }

  async #forget(entry) {
    if (await ask("移除这条记录？", "移除后本机不再提示这一笔。请确认已经记下编号或已由帮扶中心查清。", "移除")) {
      await this.settle.db.remove("open", entry.key);
      this.settle.shown(await this.settle.open());
    }
  }

  /** giveUp asks, and has the purchase reversed. */
  async giveUp(key) {
    const yes = await ask("放弃这一笔？", "这一笔将作废：如果已经记录会立即冲正，没有记录就永远不会再记。请按原价收款，或请会员重新出示会员码。", "放弃这笔");
    if (yes) await this.settle.giveUp(key);
    return yes;
  }

  #notice(entry) {
    const { good, text } = outcome(entry);
    return make("p", { class: `notice ${good ? "good" : "bad"}`, role: "status" },
      make("span", {}, `${good ? "✓" : "✕"} 已查清：${at(entry.at)} ${KINDS[entry.kind]} ¥${yuan(sum(entry))}，${text}`),
      make("button", { type: "button", class: "small-key", click: () => this.settle.seen(entry.key) }, "知道了"));
  }
}

const sum = (entry) => entry.show?.payable_fen ?? entry.show?.amount_fen ?? 0;

/** outcome says in words what became of an entry. */
function outcome({ kind, result }) {
  if (kind !== "purchase") {
    return result.undo ? { good: true, text: `${KINDS[kind]}成功，退给会员 ¥${yuan(result.undo.returned_fen)}。` }
      : { good: false, text: `没有办成：${result.problem?.detail ?? ""}` };
  }
  if (result.purchase) return { good: true, text: `${STATES[result.state]}，优惠 ¥${yuan(result.purchase.discount_fen)}。` };
  const why = result.problem ? `（${result.problem.title}）` : "";
  return { good: false, text: result.state === "tombstone" ? `没有成交，不算优惠${why}。` : `${STATES[result.state]}，不算优惠。` };
}
