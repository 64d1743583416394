// The parts of a basket that the shop's offers treat differently, as the service names
// them (GET /v1/terminal): 其中 烟草 ¥__. What is not filled in is nothing, and the rest
// goes by a category of its own, so that 全部商品（烟草除外） earns on the rest alone. The
// service names parts only where that never gives more than the goods line by line
// would (merchant/terms, SplitOf).
import { fenOf } from "./format.js";

/** basket is the amount with its parts: what is sent, and how much the parts are over
 * the amount, fen. typed is each part's text by its category. A shop without parts,
 * and one whose parts are over, sends the amount alone. */
export function basket(fen, shop, typed) {
  const lines = (shop?.parts ?? []).map((p) => ({ category: p.category, fen: fenOf(typed[p.category] ?? "") ?? 0 }));
  const told = lines.reduce((sum, l) => sum + l.fen, 0);
  if (lines.length === 0 || fen === 0 || told > fen) return { items: undefined, over: Math.max(0, told - fen) };
  lines.push({ category: shop.rest, fen: fen - told });
  return { items: lines.filter((l) => l.fen > 0).map((l) => ({ category: l.category, qty_milli: 1000, unit_price_fen: l.fen, amount_fen: l.fen })), over: 0 };
}
