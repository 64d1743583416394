package page

import (
	"fmt"

	"unioncard/settlement/recon"
)

// DifferenceKinds are the kinds of differences between a till's file and the service's
// records, for a filter.
func DifferenceKinds() []Choice {
	return []Choice{{Value: string(recon.Theirs), Label: "商家有，系统没有（短款）"}, {Value: string(recon.Ours), Label: "系统有，商家没有（长款）"},
		{Value: string(recon.Amount), Label: "两边金额不同"}}
}

// DifferenceStates are the states of differences, for a filter.
func DifferenceStates() []Choice {
	var out []Choice
	for _, s := range []recon.State{recon.Open, recon.Accepted, recon.Adjusted, recon.Voided, recon.Rejected, recon.Gone} {
		out = append(out, Choice{Value: string(s), Label: DifferenceBadge(s).Label})
	}
	return out
}

// DifferenceBadge is a difference's state.
func DifferenceBadge(s recon.State) Badge {
	switch s {
	case recon.Open:
		return Badge{"待处理", "wait"}
	case recon.Accepted:
		return Badge{"已认可（线下销售）", "good"}
	case recon.Adjusted:
		return Badge{"已调整", "good"}
	case recon.Voided:
		return Badge{"已退款", "good"}
	case recon.Rejected:
		return Badge{"以系统为准", "off"}
	case recon.Gone:
		return Badge{"新文件里没有了", "off"}
	}
	return Badge{string(s), "off"}
}

// Disagreement is a difference in words.
type Disagreement struct {
	recon.Difference
	Badge              Badge
	KindName           string
	Short              string // in a few words
	About              string // what it means, and what may have led to it
	Booked             string // what was posted for it, "" for nothing
	TheirFen, OurFen   string // the amounts that differ, in yuan; "" where a side has none
	TheirCard, OurCard string
}

// NewDisagreement puts a difference into words.
func NewDisagreement(d recon.Difference) Disagreement {
	out := Disagreement{Difference: d, Badge: DifferenceBadge(d.State), KindName: string(d.Kind)}
	for _, c := range DifferenceKinds() {
		if c.Value == string(d.Kind) {
			out.KindName = c.Label
		}
	}
	out.Short, out.About = differenceWords(&d)
	if d.Their.Has&recon.HasFen != 0 {
		out.TheirFen = Yuan(d.Their.Fen)
	} else if d.Their.Has&recon.HasPaid != 0 {
		out.TheirFen = Yuan(d.Their.Paid)
	}
	if d.Our.Has != 0 {
		if out.OurFen = Yuan(d.Our.Fen); out.TheirFen != "" && d.Their.Has&recon.HasFen == 0 {
			out.OurFen = Yuan(d.Our.Paid)
		}
	}
	switch {
	case d.BookedFen > 0:
		out.Booked = "工会补给商家 " + Yuan(d.BookedFen) + " 元，记在办理当天的结算单里。"
	case d.BookedFen < 0:
		out.Booked = "从商家扣回 " + Yuan(-d.BookedFen) + " 元，记在办理当天的结算单里。"
	case d.State == recon.Accepted:
		out.Booked = "这笔的优惠由商家承担，没有要补的钱。"
	}
	if d.TheirLast4 >= 0 {
		out.TheirCard = fmt.Sprintf("尾号 %04d", d.TheirLast4)
	}
	if d.OurLast4 >= 0 {
		out.OurCard = fmt.Sprintf("尾号 %04d", d.OurLast4)
	}
	return out
}

func differenceWords(d *recon.Difference) (short, about string) {
	switch d.Why {
	case recon.NotFound:
		return "系统里没有这笔", "按单号，按金额、时间和卡号，在系统里都没有找到这笔优惠消费。常见的原因：断网时手工打了折，收银员没有用本系统记录，或者文件里的单号写错了。"
	case recon.WrongDay:
		return "记在另一天", "系统里有这笔，但记在 " + d.OurDay.String() + "，不在这份对账的日期里。多半是临近零点的交易，两边的日期不同；在那一天的对账里会对上。"
	case recon.Duplicate:
		return "文件里重复了", "这笔在文件里不止一行，系统里只有一笔。常见的原因：收银系统重复导出，或者同一笔录了两次。"
	case recon.Missing:
		if d.Our.Fen < 0 {
			return "文件里没有这笔退款", "系统里记了这笔退款，文件里没有。常见的原因：在终端上退了款，收银系统没有退。"
		}
		return "文件里没有这笔", "系统里有这笔优惠消费，文件里没有。常见的原因：收银系统漏记，或者在终端上记了、顾客没有要，没有退款。"
	case recon.Undone:
		return "退款不一致", "一边已经作废或退款，另一边没有，或者退的金额不同。上面是扣除退款以后还剩的金额。"
	case recon.Unequal:
		return unequalWords(d), "同一笔交易，两边的金额不同。常见的原因：收银员改了价，或者输错了金额。"
	case recon.Booked:
		return "已入账，文件里没有了", "这条差异已经入账 " + Yuan(d.BookedFen) + " 元，但商家新传的文件里没有它了。请核对：确实不该入账的，由财务扣回；应当入账的，写明理由，保持不变。"
	}
	return string(d.Why), ""
}

// unequalWords says how far apart the two sides are.
func unequalWords(d *recon.Difference) string {
	apart := d.Their.Fen - d.Our.Fen
	if d.Their.Has&recon.HasFen == 0 {
		apart = d.Their.Paid - d.Our.Paid
	}
	switch {
	case apart > 0:
		return "商家多记 " + Yuan(apart) + " 元"
	case apart < 0:
		return "商家少记 " + Yuan(-apart) + " 元"
	}
	return "优惠金额不同"
}
