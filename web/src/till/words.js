// What the till says in each phase of a sale: a tone (with its icon), a word, a
// sentence, what to do, and what the large key does.
import { STATES, at, yuan } from "./format.js";

/** PLAIN codes come with a fix that a cashier can do; what others say is for whoever
 * programs a till. */
const PLAIN = /^(parts_over|card_|member_|contract_|terminal_|no_contract|outlet_closed|merchant_exited|typed_not_allowed|refund_tail_over|refund_not_allowed|offline|busy|storage|not_recorded|reversed)/;

const AGAIN = "请会员再出示一次会员码，重新扫。";
const FIXES = {
  code_format: (p) => (/[a-z_]{4,}/.test(p.fix) ? "请会员打开“会员码”页面再扫一次。" : p.fix),
  code_invalid: () => "请会员刷新会员码后再扫；实体卡请核对是不是最新换发的卡。",
  code_bound: () => "请会员等新码出来（约 30 秒）再扫，或回到先扫的那台收银机。",
  code_used: (p) => `请会员换另一个码，或等 ${p.retry_after_s ?? 30} 秒出新码后再扫。`,
  guess_blocked: (p) => `请过 ${Math.ceil((p.retry_after_s ?? 60) / 60)} 分钟再试；不是误扫的，请联系签约的帮扶中心。`,
  typed_blocked: () => "请会员出示手机会员码；约一小时后可以再手输。",
  amount_invalid: () => "请清空后重新输入金额。",
  quote_invalid: () => AGAIN, quote_expired: () => AGAIN, quote_mismatch: () => AGAIN, quote_other_terminal: () => AGAIN, quote_used: () => AGAIN,
  key_reversed: () => AGAIN,
  not_found: () => "请核对交易编号；只能查到本门店的交易。",
  text_invalid: () => "请检查收银员和原因：不能空着，也不能有特殊符号。",
  void_too_late: () => "请改选“退款”，金额填还没有退的全部。",
  purchase_undone: () => "请关闭后再点一次“今日”，看这笔现在的状态。",
  refund_exceeds: () => "请核对这笔还能退多少，再填金额。",
};

/** fixOf is what a cashier can do about a problem. */
export function fixOf(problem) {
  if (FIXES[problem.code]) return FIXES[problem.code](problem);
  return PLAIN.test(problem.code) ? problem.fix : "请刷新页面后再试；还不行请联系签约的帮扶中心。";
}

/** whyNot is why an offer gave nothing, for somebody who has the amount alone. */
export function whyNot(offer, shop) {
  if (offer.reason !== "items_missing" && !(offer.reason === "scope" && shop?.by_items?.some((o) => o.offer === offer.offer))) return offer.message;
  return "要逐件扫商品才能算，这里算不了，请按上面的金额收。";
}

/** say returns {tone, word, detail, fix, go}; go is the large key's label, "" while
 * it has nothing to do. typed is the code being typed by hand, null when none is. */
export function say(sale, { typed, camera }) {
  if (typed !== null) return typing(typed);
  return SAY[sale.phase](sale, camera);
}

function typing(typed) {
  const enough = [16, 20, 36].includes(typed.length);
  return {
    tone: "plain", word: "手输卡号", detail: "输入卡面上的 16 位卡号。手机会员码下面的 20 位数字、卡背面的 36 位数字也可以。",
    fix: "", go: enough ? "核验" : "", wait: typed.length > 0 && !enough ? `已输 ${typed.length} 位` : "输入卡号",
  };
}

const tooMuch = (over) => ({
  tone: "wait", word: "“其中”比金额多", detail: `“其中”几项加起来比金额多 ¥${yuan(over)}，请改正。`, fix: "", go: "", wait: "请改正金额",
});

const SAY = {
  idle: ({ fen, over }, camera) => fen > 0 && over > 0 ? tooMuch(over) : ({
    tone: "plain", word: fen > 0 ? "请扫会员码" : "输金额，或先扫会员码",
    detail: camera ? "把会员码放进取景框，自动识别。" : "扫码枪可以直接扫，不用点任何地方。",
    fix: "", go: camera ? "" : "打开摄像头扫码", wait: "正在等会员码",
  }),
  checking: () => ({ tone: "wait", word: "正在核验", detail: "", fix: "", go: "", wait: "请稍候" }),
  card: ({ fen, over, stale, card }) => fen > 0 && over > 0 ? { ...tooMuch(over), holder: card } : stale && fen > 0
    ? { tone: "wait", word: "会员有效，暂不能优惠", detail: "系统数据正在同步，暂时算不了优惠。", fix: "过几秒钟再按“核价”，或按原价收款。", go: "核价", holder: card }
    : { tone: "good", word: "会员有效", detail: fen > 0 ? "按“核价”算优惠。" : "请输入金额。", fix: "", go: fen > 0 ? "核价" : "", wait: "请输入金额", holder: card },
  quote: ({ quote, changedBy, card }) => ({
    tone: changedBy ? "wait" : quote.discount_fen > 0 ? "good" : "none",
    word: changedBy ? "价格有变，请告诉顾客" : quote.discount_fen > 0 ? "可以优惠" : "会员有效，本单没有优惠",
    detail: changedBy?.detail ?? "", fix: "", go: `收 ¥${yuan(quote.payable_fen)}　成交`, prices: quote, quote, holder: card,
  }),
  sending: ({ quote, card }) => ({ tone: "wait", word: "正在记录", detail: "请稍候，不要关机。", fix: "", go: "", wait: "请稍候", prices: quote, holder: card }),
  done: ({ receipt }) => {
    const undone = receipt.state !== "committed";
    const none = receipt.discount_fen === 0;
    return {
      tone: undone ? "wait" : none ? "none" : "good", word: undone ? STATES[receipt.state] : none ? "成交（本单没有优惠）" : "成交，优惠已记录",
      detail: undone ? `已退给会员 ¥${yuan(receipt.returned_fen)}。` : `${at(receipt.committed_at)} 已记录，可以交货。`,
      fix: "", go: "下一位", prices: receipt, keys: ["print", "undoLast"],
    };
  },
  expired: ({ fen }) => ({
    tone: "bad", word: "报价已过期", detail: "报价只保留 3 分钟，这一笔没有记录。", fix: "请会员再出示一次会员码，重新扫。", go: "重新扫码", full: fen,
  }),
  refused: ({ problem, fen, recheckable }) => ({
    tone: "bad", word: problem.title, detail: problem.detail, fix: fixOf(problem),
    go: recheckable && ["offline", "busy"].includes(problem.code) ? "再核验一次" : "重新扫码", full: fen,
  }),
  unanswered: () => ({
    tone: "wait", word: "没有收到答复", detail: "可能已经记录。本机正在自动查询，只会记一次。",
    fix: "不要重复收款。已按优惠价收钱的，点“下一位”，结果稍后提示；顾客不等了，就放弃这笔，按原价收。",
    go: "下一位", keys: ["giveUp"],
  }),
};
