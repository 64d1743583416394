package console

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/union"
	"unioncard/card/union/keyset"
	"unioncard/card/union/staff"
	"unioncard/merchant/signing"
	"unioncard/merchant/territory"
)

// kindOfUnion is a union's sort in words.
func kindOfUnion(k union.Kind) string {
	switch k {
	case union.Province:
		return "省级工会"
	case union.City:
		return "市级工会"
	case union.County:
		return "县（市、区）工会"
	case union.Industry:
		return "产业工会"
	case union.Direct:
		return "省直工会"
	}
	return "基层工会"
}

func unionKinds() []page.Choice {
	var out []page.Choice
	for _, k := range []union.Kind{union.City, union.County, union.Industry, union.Direct, union.Grassroots} {
		out = append(out, page.Choice{Value: string(k), Label: kindOfUnion(k)})
	}
	return out
}

func unionURL(id int64) string { return "/console/unions/" + strconv.FormatInt(id, 10) }

// unionList is the unions of a whole territory, or (path) those right below one.
func unionList(path string) *ListSpec {
	return &ListSpec{
		Path: path, Name: "工会组织", Sort: "order",
		Columns: []Column{
			{Key: "name", Label: "工会", Sort: keyset.Text}, {Key: "order", Label: "类别", Sort: keyset.Int}, {Key: "unions", Label: "下级工会", Number: true},
			{Key: "members", Label: "会员", Number: true}, {Key: "cards", Label: "已发会员卡", Number: true}, {Key: "state", Label: "状态"},
			{Key: "id", Label: "编号", Sort: keyset.Int, Number: true},
		},
		Filters: []Filter{
			{Name: "q", Label: "工会名称（曾用名也能查到）", Kind: "search"}, {Name: "kind", Label: "类别", Kind: "choice", Choices: unionKinds()},
			{Name: "state", Label: "状态", Kind: "choice", Choices: []page.Choice{{Value: "active", Label: "在用"}, {Value: "merged", Label: "已并入别处"}}},
		},
	}
}

// unionRow is a union with what is at and below it.
type unionRow struct {
	territory.Row
	union.Count
}

// Word is its sort.
func (r unionRow) Word() string { return kindOfUnion(r.Kind) }

// State is its state for the badge.
func (r unionRow) State() string {
	if r.Active {
		return "union_active"
	}
	return "union_merged"
}

// unionPage is a union and what hangs right below it, or what a search found.
type unionPage struct {
	page.Frame
	Union   *union.Union
	Found   bool // the list is what a search found in the whole territory
	Count   union.Count
	AsOf    time.Time // of the counts
	Facts   []any
	List    *List
	Rows    []unionRow
	History []page.Step
	Waiting *signing.Proposal // a merger proposed
	Own     bool              // the account proposed it
	Writes  bool
	// Registers: members may be registered right here.
	Registers bool
	MayName   bool
	MayMerge  bool
	Form      *page.Form
	Next      *union.Union // the active union that a merged one is by now
}

// NextURL is the successor's page.
func (p *unionPage) NextURL() string { return unionURL(p.Next.ID) }

// UnionList answers GET /console/unions: the account's own union, or what a search
// finds in its territory.
func (h *Handlers) UnionList(x *exchange.Exchange) error {
	l := ReadList(x, unionList("/console/unions"))
	if l.Filtered() || l.Exporting() {
		return h.unionSearch(x, l)
	}
	return h.showUnion(x, x.Account.UnionID, l, page.NewForm())
}

// UnionShow answers GET /console/unions/:id.
func (h *Handlers) UnionShow(x *exchange.Exchange) error {
	id, err := idOf(x)
	if err != nil {
		return err
	}
	return h.showUnion(x, id, ReadList(x, unionList(unionURL(id))), page.NewForm())
}

func (h *Handlers) unionSearch(x *exchange.Exchange, l *List) error {
	p := &unionPage{Frame: page.Frame{Title: "工会组织", Active: "unions"}, List: l, Found: true}
	if err := h.unionRows(x, p, territory.Filter{}); err != nil || l.Exporting() {
		return err
	}
	return h.Pages.Page(x, "console/union_show", p)
}

// unionRows reads the page of the list, or writes the file.
func (h *Handlers) unionRows(x *exchange.Exchange, p *unionPage, f territory.Filter) error {
	l := p.List
	f.Scope, f.Text, f.Kind, f.State = x.Account.Path, l.Value("q"), union.Kind(l.Value("kind")), l.Value("state")
	rows, err := territory.List(x.Ctx, h.DB, f, l.Page)
	if err != nil {
		return err
	}
	counts, asOf, err := h.Census.Counts(x.Ctx)
	if err != nil {
		return err
	}
	p.AsOf = asOf
	if l.Exporting() {
		return Export(x, l, rows, h.Clock(), func(r territory.Row) []any {
			n := counts[r.ID]
			return []any{r.Name, kindOfUnion(r.Kind), n.Unions, n.Members, n.Cards, either(r.Active, "在用", "已并入"+r.Successor), r.ID}
		})
	}
	rows = Finish(l, rows, func(r territory.Row, sort string) (any, int64) {
		switch sort {
		case "name":
			return r.Name, r.ID
		case "order":
			return r.Order, r.ID
		}
		return r.ID, r.ID
	})
	for _, r := range rows {
		p.Rows = append(p.Rows, unionRow{r, counts[r.ID]})
	}
	if p.Union != nil {
		p.Count = counts[p.Union.ID]
	}
	return nil
}

func (h *Handlers) showUnion(x *exchange.Exchange, id int64, l *List, form *page.Form) (err error) {
	p := &unionPage{List: l, Form: form}
	if p.Union, err = union.Get(x.Ctx, h.DB, id); err != nil {
		return err
	}
	u := p.Union
	if p.Frame, err = h.unionFrame(x, u, ""); err != nil {
		return err
	}
	if err := h.unionRows(x, p, territory.Filter{Parent: id}); err != nil || l.Exporting() {
		return err
	}
	p.Writes = x.Account.May(staff.WriteUnions) && u.Active
	p.Registers = u.Active && u.Kind == union.Grassroots && x.Account.May(staff.WriteMembers)
	p.MayName = p.Writes && (id != x.Account.UnionID || u.ParentID == 0)
	p.MayMerge = p.Writes && u.Kind != union.Province && id != x.Account.UnionID
	if err := h.unionFacts(x, p); err != nil {
		return err
	}
	proposals, err := h.Signing.Of(x.Ctx, unionObject(id))
	if err != nil {
		return err
	}
	for i := range proposals {
		if proposals[i].State == signing.Waiting && proposals[i].Kind == territory.KindMerge {
			p.Waiting, p.Own = &proposals[i], proposals[i].MakerID == x.Account.ID
		}
	}
	if p.History, err = h.history(x, "union", id, "", historyRows); err != nil {
		return err
	}
	return h.Pages.Page(x, "console/union_show", p)
}

func unionObject(id int64) string { return "union:" + strconv.FormatInt(id, 10) }

// unionFrame is the frame of a page about a union; title "" is the union's own page.
func (h *Handlers) unionFrame(x *exchange.Exchange, u *union.Union, title string) (page.Frame, error) {
	f := page.Frame{Title: u.Name, Active: "unions", Crumbs: []page.Crumb{{Title: "工会组织", URL: "/console/unions"}}}
	above, err := union.Above(x.Ctx, h.DB, x.Account.Path, u.Path)
	if err != nil {
		return f, err
	}
	for _, s := range above {
		if s.ID != x.Account.UnionID { // which is where 工会组织 leads
			f.Crumbs = append(f.Crumbs, page.Crumb{Title: s.Name, URL: unionURL(s.ID)})
		}
	}
	if title != "" {
		f.Crumbs, f.Title = append(f.Crumbs, page.Crumb{Title: u.Name, URL: unionURL(u.ID)}), title
	}
	return f, nil
}

func (h *Handlers) unionFacts(x *exchange.Exchange, p *unionPage) error {
	u := p.Union
	p.Facts = []any{fact("类别", unionSort(u)), fact("编号", strconv.FormatInt(u.ID, 10))}
	if u.Division != 0 {
		p.Facts = append(p.Facts, fact("行政区划代码", strconv.Itoa(int(u.Division))))
	}
	if u.Active {
		p.Facts = append(p.Facts, fact("下级工会", fmt.Sprintf("%d 个", p.Count.Unions)), fact("会员（含下级）", fmt.Sprintf("%d 人", p.Count.Members)),
			fact("已发会员卡（含下级）", fmt.Sprintf("%d 张", p.Count.Cards)))
	} else {
		next, err := union.Successor(x.Ctx, h.DB, u.ID)
		if err != nil && !errors.Is(err, union.ErrNotFound) {
			return err
		}
		p.Next = next
	}
	names, err := union.Names(x.Ctx, h.DB, u.ID)
	if err != nil {
		return err
	}
	for _, n := range names {
		p.Facts = append(p.Facts, fact("曾用名", n.Name+"（用到 "+page.Day(n.Until)+"）"))
	}
	merged, err := h.Territory.Mergers(x.Ctx, u.ID)
	if err != nil {
		return err
	}
	for _, m := range merged {
		if m.UnionID != u.ID {
			p.Facts = append(p.Facts, map[string]any{"Term": page.Day(m.At) + " 并入本工会", "Text": m.Union, "URL": unionURL(m.UnionID)})
		} else {
			p.Facts = append(p.Facts, fact("合并", page.Day(m.At)+" 并入"+m.Into+"："+m.Reason))
		}
	}
	return nil
}

// unionSort is a union's sort with what is special about it.
func unionSort(u *union.Union) string {
	switch {
	case u.DirectCounty:
		return "省直管县（市）工会"
	case u.Zone:
		return "功能区工会"
	}
	return kindOfUnion(u.Kind)
}
