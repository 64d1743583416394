package console

import (
	"strconv"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/batch"
	"unioncard/card/union/keyset"
)

func batchURL(id int64) string { return "/console/batches/" + strconv.FormatInt(id, 10) }

func batchStatuses() []batch.Status {
	return []batch.Status{batch.Planned, batch.Running, batch.Done, batch.Closed}
}

func batchList() *ListSpec {
	var states []page.Choice
	for _, s := range batchStatuses() {
		states = append(states, page.Choice{Value: s.String(), Label: page.StateName("batch_" + s.String())})
	}
	return &ListSpec{
		Path: "/console/batches", Name: "发卡批次", Sort: "-id",
		Columns: []Column{
			{Key: "id", Label: "编号", Sort: keyset.Int, Number: true}, {Key: "title", Label: "批次"}, {Key: "union", Label: "工会"},
			{Key: "status", Label: "状态"}, {Key: "due_on", Label: "完成期限", Sort: keyset.Time}, {Key: "target", Label: "计划", Number: true},
			{Key: "issued", Label: "已发", Number: true}, {Key: "delivered", Label: "已交付", Number: true}, {Key: "activated", Label: "已激活", Number: true},
		},
		Filters: []Filter{
			{Name: "q", Label: "批次或工会名称", Kind: "search"},
			{Name: "kind", Label: "种类", Kind: "choice", Choices: batchKinds()},
			{Name: "status", Label: "状态", Kind: "choice", Choices: states},
			{Name: "late", Label: "期限", Kind: "choice", Choices: []page.Choice{{Value: "1", Label: "已逾期"}}},
		},
	}
}

func batchKinds() []page.Choice {
	return []page.Choice{{Value: "issue", Label: "发新卡"}, {Value: "renew", Label: "续期"}}
}

func kindOfBatch(text string) batch.Kind {
	return map[string]batch.Kind{"issue": batch.Issue, "renew": batch.Renew}[text]
}

// batchWord is a batch's kind in a word.
func batchWord(k batch.Kind) string {
	if k == batch.Renew {
		return "续期"
	}
	return "发新卡"
}

// batchRow is a batch with what its list and page say of it.
type batchRow struct {
	batch.Batch
	Late bool
	Word string
}

func (h *Handlers) batchRow(b batch.Batch) batchRow {
	return batchRow{b, b.Overdue(batch.Today(h.Clock())), batchWord(b.Kind)}
}

// placeRow is what issuing has come to in one place.
type placeRow struct {
	batch.Place
	Name, URL string
	Own       bool // the office's own batches
}

// Percent is how much of the target has been issued, "" without a target.
func (r placeRow) Percent() string { return share(r.Issued, r.Target) }

func share(n, of int64) string {
	if of == 0 {
		return ""
	}
	return strconv.FormatInt(n*100/of, 10) + "%"
}

type batchListPage struct {
	page.Frame
	List   *List
	Rows   []batchRow
	Places []placeRow
}

// BatchList answers GET /console/batches: the batches of the territory, and how
// issuing stands in each office below.
func (h *Handlers) BatchList(x *exchange.Exchange) error {
	l := ReadList(x, batchList())
	f := batch.Filter{Text: l.Value("q"), Kind: kindOfBatch(l.Value("kind")), Overdue: l.Value("late") != ""}
	for _, s := range batchStatuses() {
		if s.String() == l.Value("status") {
			f.Status = s
		}
	}
	rows, err := h.Batches.List(x.Ctx, x.Account.Path, f, l.Page)
	if err != nil {
		return err
	}
	if l.Exporting() {
		return Export(x, l, rows, h.Clock(), func(b batch.Batch) []any {
			return []any{b.ID, b.Title, b.Union, page.StateName("batch_" + b.Status.String()), b.DueOn.Format("2006-01-02"), b.Target,
				b.Issued, b.Delivered, b.Activated}
		})
	}
	rows = Finish(l, rows, func(b batch.Batch, sort string) (any, int64) {
		if sort == "due_on" {
			return b.DueOn, b.ID
		}
		return b.ID, b.ID
	})
	p := &batchListPage{Frame: page.Frame{Title: "发卡批次", Active: "batches"}, List: l}
	for _, b := range rows {
		p.Rows = append(p.Rows, h.batchRow(b))
	}
	if !l.Filtered() && l.Page.From == nil {
		if p.Places, err = h.placesBelow(x); err != nil {
			return err
		}
	}
	return h.Pages.Page(x, "console/batch_list", p)
}

// placesBelow is the progress of each office right below the account's, and of its
// own batches, where anything has been planned or issued.
func (h *Handlers) placesBelow(x *exchange.Exchange) ([]placeRow, error) {
	places, err := h.Batches.Below(x.Ctx, x.Account.UnionID)
	if err != nil {
		return nil, err
	}
	var out []placeRow
	for _, p := range places {
		r := placeRow{Place: p, Name: p.Union, URL: unionURL(p.UnionID), Own: p.UnionID == x.Account.UnionID}
		if r.Own {
			r.Name = "本级自己的批次"
		}
		if p.Batches > 0 || p.Issued > 0 {
			out = append(out, r)
		}
	}
	return out, nil
}
