// What the till says in each phase of a sale: a tone (with its icon), a word, a
// sentence, what to do, and what the large key does.
import { STATES, at, yuan } from "./format.js";

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

const SAY = {
  idle: ({ fen }, camera) => ({
    tone: "plain", word: fen > 0 ? "请扫会员码" : "输金额，或先扫会员码",
    detail: camera ? "把会员码放进取景框，自动识别。" : "扫码枪可以直接扫，不用点任何地方。",
    fix: "", go: camera ? "" : "打开摄像头扫码", wait: "正在等会员码",
  }),
  checking: () => ({ tone: "wait", word: "正在核验", detail: "", fix: "", go: "", wait: "请稍候" }),
  card: ({ fen, stale, card }) => stale && fen > 0
    ? { tone: "wait", word: "会员有效，暂不能优惠", detail: "系统数据正在同步，暂时算不了优惠。", fix: "过几秒钟再按“核价”，或按原价收款。", go: "核价", holder: card }
    : { tone: "good", word: "会员有效", detail: fen > 0 ? "按“核价”算优惠。" : "请输入金额。", fix: "", go: fen > 0 ? "核价" : "", wait: "请输入金额", holder: card },
  quote: ({ quote, changedBy, card }) => ({
    tone: changedBy ? "wait" : "good",
    word: changedBy ? "价格有变，请告诉顾客" : quote.discount_fen > 0 ? "可以优惠" : "会员有效，本单没有优惠",
    detail: changedBy?.detail ?? "", fix: "", go: `收 ¥${yuan(quote.payable_fen)}　成交`, prices: quote, quote, holder: card,
  }),
  sending: ({ quote, card }) => ({ tone: "wait", word: "正在记录", detail: "请稍候，不要关机。", fix: "", go: "", wait: "请稍候", prices: quote, holder: card }),
  done: ({ receipt }) => {
    const undone = receipt.state !== "committed";
    return {
      tone: undone ? "wait" : "good", word: undone ? STATES[receipt.state] : "成交，优惠已记录",
      detail: undone ? `已退给会员 ¥${yuan(receipt.returned_fen)}。` : `${at(receipt.committed_at)} 已记录，可以交货。`,
      fix: "", go: "下一位", prices: receipt, keys: ["print", "undoLast"],
    };
  },
  expired: ({ fen }) => ({
    tone: "bad", word: "报价已过期", detail: "报价只保留 3 分钟，这一笔没有记录。", fix: "请会员再出示一次会员码，重新扫。", go: "重新扫码", full: fen,
  }),
  refused: ({ problem, fen, recheckable }) => ({
    tone: "bad", word: problem.title, detail: problem.detail, fix: problem.fix,
    go: recheckable && ["offline", "busy"].includes(problem.code) ? "再核验一次" : "重新扫码", full: fen,
  }),
  unanswered: () => ({
    tone: "wait", word: "没有收到答复", detail: "可能已经记录。本机正在自动查询，只会记一次。",
    fix: "不要重复收款。已按优惠价收钱的，点“下一位”，结果稍后提示；顾客不等了，就放弃这笔，按原价收。",
    go: "下一位", keys: ["giveUp"],
  }),
};
