package console

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"unioncard/api/page"
	"unioncard/merchant/terms"
)

// curveChoice is what a clerk chose to see; empty fields are chosen for them.
type curveChoice struct {
	Category, SKU string
	PriceFen      int64
	UntilFen      int64
	At            time.Time
}

// readCurveChoice reads a choice from a form or an address; what makes no sense
// counts as not chosen.
func readCurveChoice(v url.Values) curveChoice {
	c := curveChoice{Category: v.Get("curve_cat"), SKU: v.Get("curve_sku")}
	if len(c.Category) > 64 {
		c.Category = ""
	}
	if len(c.SKU) > 64 {
		c.SKU = ""
	}
	if n, ok := readFen(v.Get("curve_price")); ok && n <= terms.MaxBasketFen {
		c.PriceFen = n
	}
	if n, ok := readFen(v.Get("curve_until")); ok && n >= 100 && n <= terms.MaxBasketFen {
		c.UntilFen = n
	}
	if t, err := time.ParseInLocation("2006-01-02T15:04", v.Get("curve_at"), terms.Beijing()); err == nil {
		c.At = t
	}
	return c
}

// curveView is the discount over the amount, drawn and as a table.
type curveView struct {
	Chart *CurveChart // nil if it cannot be drawn; Note says why
	Label string
	Basis string // which basket, when and whose, in words
	Note  string
	Names []string // of the lines: local, then every bound
	Rows  []curveRow
	// What the clerk chose, for the form: "" where it was chosen for them.
	Choice           curveChoice
	Price, Until, At string
	// AutoPrice and AutoUntil are what was chosen for them.
	AutoPrice, AutoUntil string
}

// curveRow is one telling amount.
type curveRow struct {
	Amount    int64
	Discounts []int64
	Less      int64 // by how much the first is below the largest of the others
	Counter   bool
}

// curveLine is one document to draw.
type curveLine struct {
	name      string
	form      *terms.Compiled
	doc       *terms.Terms
	remaining []terms.Remaining
}

// maxCurveRows is the most rows of the table beside a curve.
const maxCurveRows = 40

// curve draws the Terms and their bounds on one basket: the counterexample's if
// there is one and nothing else was chosen.
func (s *termsSubject) curve(doc *terms.Terms, form *terms.Compiled, bounds []boundView, choice curveChoice) *curveView {
	lines := []curveLine{{name: "本协议", form: form, doc: doc}}
	if s.Floor() {
		lines[0].name = "新底线"
	}
	var worst *terms.Comparison
	for i := range bounds {
		b := &bounds[i]
		bound, err := b.check.Terms.Compile()
		if err != nil {
			continue // stored Terms compile
		}
		line := curveLine{name: b.Title, form: bound, doc: b.check.Terms}
		if c := &b.check.Comparison; worst == nil && c.Verdict == terms.Worse {
			worst, lines[0].remaining, line.remaining = c, c.LocalUsage, c.FloorUsage
		}
		lines = append(lines, line)
	}
	spec, marked := s.curveSpec(lines, worst, choice)
	out := &curveView{Choice: choice}
	out.chosen(choice)
	if !marked {
		for i := range lines {
			lines[i].remaining = nil
		}
	}
	curves := out.draw(lines, &spec)
	out.AutoUntil, out.Basis = decimalText(spec.UntilFen, 2), s.basisWords(spec)
	if spec.UnitPriceFen > 0 {
		out.AutoPrice = decimalText(spec.UnitPriceFen, 2)
	}
	if out.Chart == nil {
		return out
	}
	var counter *terms.Basket
	if marked {
		counter = worst.Counterexample
		out.Chart.Marks = []CurveMark{{X: yuanOf(counter.AmountFen), Y: yuanOf(worst.LocalFen), Text: "低于"}}
	}
	out.tabulate(lines, curves, spec, counter)
	out.Label = fmt.Sprintf("消费金额与优惠的关系，%s，到 %s 元；数据见下表", out.Basis, out.AutoUntil)
	return out
}

// chosen fills the form with what was chosen.
func (v *curveView) chosen(c curveChoice) {
	if c.PriceFen > 0 {
		v.Price = decimalText(c.PriceFen, 2)
	}
	if c.UntilFen > 0 {
		v.Until = decimalText(c.UntilFen, 2)
	}
	if !c.At.IsZero() {
		v.At = c.At.In(terms.Beijing()).Format("2006-01-02T15:04")
	}
}

// draw computes every line over the same range, which it shortens until all can
// be drawn.
func (v *curveView) draw(lines []curveLine, spec *terms.CurveSpec) []terms.Curve {
	for {
		curves := make([]terms.Curve, 0, len(lines))
		var err error
		for _, l := range lines {
			spec.Remaining = l.remaining
			var c terms.Curve
			if c, err = l.form.Draw(*spec); err != nil {
				break
			}
			curves = append(curves, c)
		}
		switch {
		case errors.Is(err, terms.ErrCurve) && spec.UntilFen > 2_000:
			spec.UntilFen /= 2
			v.Note = "金额范围太大，已缩小后绘制。"
			continue
		case err != nil:
			v.Note = "按这个单价画不出曲线，请调整单价或金额范围。"
			return nil
		}
		v.Chart = &CurveChart{Kind: "curve", X: "消费金额（元）", Y: "优惠（元）"}
		for i, c := range curves {
			series := CurveSeries{Name: lines[i].name, Dashed: i > 0, Points: make([][2]float64, len(c.Points))}
			for j, p := range c.Points {
				series.Points[j] = [2]float64{yuanOf(p.AmountFen), yuanOf(p.DiscountFen)}
			}
			v.Chart.Series = append(v.Chart.Series, series)
			v.Names = append(v.Names, lines[i].name)
		}
		return curves
	}
}

// tabulate picks the telling amounts: where a line jumps, the counterexample, and
// the ends.
func (v *curveView) tabulate(lines []curveLine, curves []terms.Curve, spec terms.CurveSpec, counter *terms.Basket) {
	at := map[int64]bool{spec.UntilFen: !curves[0].Discrete}
	for _, c := range curves {
		for i, p := range c.Points {
			if p.Jump {
				at[p.AmountFen] = true
				if i > 0 {
					at[c.Points[i-1].AmountFen] = true
				}
			}
		}
		if n := len(c.Points); c.Discrete {
			for k := range 6 {
				at[c.Points[(n-1)*k/5].AmountFen] = true
			}
		}
	}
	for k := range int64(5) {
		if a := spec.UntilFen * (k + 1) / 5 / 100 * 100; a >= spec.FromFen && !curves[0].Discrete {
			at[a] = true
		}
	}
	if counter != nil {
		at[counter.AmountFen] = true
	}
	var amounts []int64
	for a, ok := range at {
		if ok {
			amounts = append(amounts, a)
		}
	}
	slices.Sort(amounts)
	if n := len(amounts); n > maxCurveRows {
		amounts = amounts[:maxCurveRows]
		if counter != nil && !slices.Contains(amounts, counter.AmountFen) {
			amounts = append(amounts, counter.AmountFen)
		}
		v.Note += fmt.Sprintf("表中列出前 %d 个关键金额。", maxCurveRows)
	}
	for _, a := range amounts {
		row := curveRow{Amount: a, Counter: counter != nil && a == counter.AmountFen}
		for _, l := range lines {
			row.Discounts = append(row.Discounts, discountAt(l, spec, a))
		}
		for _, d := range row.Discounts[1:] {
			row.Less = max(row.Less, d-row.Discounts[0])
		}
		v.Rows = append(v.Rows, row)
	}
}

// discountAt is one line's discount at an amount of the curve's basket.
func discountAt(l curveLine, spec terms.CurveSpec, amount int64) int64 {
	in := terms.Input{AmountFen: amount, Items: curveItems(spec, amount), At: spec.At, Holder: spec.Holder, Remaining: l.remaining}
	var r terms.Result
	l.form.Evaluate(&in, &r)
	return r.DiscountFen
}

// curveItems is the curve's basket at an amount.
func curveItems(spec terms.CurveSpec, amount int64) []terms.Item {
	if spec.Category == "" && spec.SKU == "" && spec.UnitPriceFen == 0 {
		return nil
	}
	it := terms.Item{SKU: spec.SKU, Category: spec.Category, QtyMilli: 1000, UnitPriceFen: amount, AmountFen: amount}
	if p := spec.UnitPriceFen; p > 0 {
		it.UnitPriceFen = p
		it.QtyMilli = max(1, (amount*1000+p/2)/p)
		if step := spec.QtyStepMilli; step > 1 {
			it.QtyMilli = max(step, (it.QtyMilli+step/2)/step*step)
		}
	}
	return []terms.Item{it}
}

// basisWords says what the curve is about.
func (s *termsSubject) basisWords(spec terms.CurveSpec) string {
	what := "不分商品"
	if spec.Category != "" || spec.SKU != "" {
		what = "只买" + s.itemName(terms.Item{Category: spec.Category, SKU: spec.SKU})
	}
	if spec.UnitPriceFen > 0 {
		what += "，单价 " + page.Yuan(spec.UnitPriceFen) + " 元"
	}
	return what + "，" + momentWords(spec.At) + "，" + s.holderWords(spec.Holder)
}
