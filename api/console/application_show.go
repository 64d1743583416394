package console

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/application"
	"unioncard/merchant/file"
)

// twin is a possible duplicate as its page shows it: of another office's only
// whose it is.
type twin struct {
	Title, URL, Office, State, Matches string
	Barred                             string // the day before which it may not come back
}

// fileRow is a file in a table.
type fileRow struct {
	ID                int64
	Title, Name, Size string
	Image, Removable  bool
	Closed            bool // personal, and not for who looks
	At                string
}

type visitRow struct {
	application.Visit
	Photos []fileRow
}

// applicationForms are the forms of an application's page, so that a refused one
// shows again as it was typed.
type applicationForms struct{ Decide, Accept, Visit, File *page.Form }

type applicationPage struct {
	page.Frame
	App     *application.Application
	Facts   []map[string]any
	Outlets []outletRow
	Advice  string
	Checks  []application.Checked
	Visits  []visitRow
	Files   []fileRow
	Twins   []twin
	History []page.Step
	Forms   applicationForms

	Writes, Editable, Reviewing bool
	Moves                       []merchant.StageMove // one click each
	Decisions                   []page.Choice        // with a reason
	MayAccept                   bool
	Open                        []string // what the checklist still wants
	Kinds, Existing             []page.Choice
	State                       string
	Unopened                    []application.HeldOutlet // of the merchant it became, that wait for a second person
}

type outletRow struct{ Name, Place, Address, Position string }

// ApplicationShow answers GET /console/applications/:id.
func (h *Handlers) ApplicationShow(x *exchange.Exchange) error {
	return h.applicationPage(x, applicationForms{})
}

func (h *Handlers) applicationPage(x *exchange.Exchange, forms applicationForms) error {
	a, err := h.applicationOf(x)
	if err != nil {
		return err
	}
	p := &applicationPage{App: a, Forms: forms, Writes: x.Account.May(staff.WriteApplication), State: applicationBadge(a.Stage)}
	p.Frame = page.Frame{Title: orElse(a.Doc.LegalName, "（未填名称）"), Active: "applications",
		Crumbs: []page.Crumb{{Title: "入网申请", URL: "/console/applications"}}}
	p.Advice = a.Stage.Row().Advice
	p.Editable = p.Writes && a.Editable(false)
	p.Reviewing = p.Writes && a.Stage == merchant.StageInReview
	p.Facts = applicationFacts(a, p.Writes)
	for _, o := range a.Doc.Outlets {
		p.Outlets = append(p.Outlets, outletRow{o.Name, application.PlaceName(o.Territory), o.Address, position(o)})
	}
	for _, k := range application.FileKinds(a.Doc.Trade) {
		p.Kinds = append(p.Kinds, page.Choice{Value: k.Kind, Label: k.Title})
	}
	r, err := h.Applications.Review(x.Ctx, a)
	if err != nil {
		return err
	}
	p.review(a, r, x.Account)
	if err := h.applicationTwins(x, p); err != nil {
		return err
	}
	if a.MerchantID != 0 {
		if p.Unopened, err = h.Applications.Unopened(x.Ctx, a.MerchantID); err != nil {
			return err
		}
	}
	changes, err := h.Applications.History(x.Ctx, a.ID)
	if err != nil {
		return err
	}
	if err := h.nameReasons(x.Ctx, reasonsOf(changes, func(c *application.Change) *string { return &c.Reason })); err != nil {
		return err
	}
	p.History = steps(changes)
	if p.Writes {
		p.moves(a)
	}
	p.fillForms(h.Clock)
	return h.Pages.Page(x, "console/application_show", p)
}

func position(o application.Outlet) string {
	if o.Lon == nil || o.Lat == nil {
		return ""
	}
	return fmt.Sprintf("%.5f, %.5f", *o.Lon, *o.Lat)
}

// applicationFacts is the document; who does not work on applications sees phone
// and account in part only.
func applicationFacts(a *application.Application, whole bool) []map[string]any {
	return append([]map[string]any{
		{"Term": "申请编号", "Text": a.Number}, {"Term": "受理工会", "Text": a.Office}, {"Term": "来源", "Text": sourceName(a.Source)},
		{"Term": "统一社会信用代码", "Text": a.Doc.Code}, {"Term": "行业", "Text": page.TradeName(string(a.Doc.Trade))},
		{"Term": "品牌", "Text": a.Doc.Brand},
	}, append(contactFacts(a.Doc.Contact, a.Doc.Bank, a.Unreadable, whole),
		map[string]any{"Term": "补充说明", "Text": a.Doc.Note}, map[string]any{"Term": "提交时间", "Text": page.Moment(a.SubmittedAt)})...)
}

// contactFacts is contact and bank details, in part for who only reads.
func contactFacts(c application.Contact, b application.Bank, unreadable, whole bool) []map[string]any {
	if unreadable {
		return []map[string]any{{"Term": "联系资料", "Text": "现有密钥解不开，请联系系统管理员；也可以重新填写。"}}
	}
	if !whole {
		c.Phone, b.Account = application.Mask(c.Phone), application.Mask(b.Account)
	}
	return []map[string]any{
		{"Term": "法定代表人", "Text": c.LegalRep}, {"Term": "联系人", "Text": c.Name}, {"Term": "联系电话", "Text": c.Phone},
		{"Term": "银行账户", "Text": strings.TrimSpace(b.Holder + " " + b.Bank + " " + b.Account)},
	}
}

func (p *applicationPage) review(a *application.Application, r *application.Review, who *staff.Account) {
	p.Checks, p.Open = r.Checks, r.Open()
	for _, v := range r.Visits {
		row := visitRow{Visit: v}
		for _, f := range r.Files {
			if f.Kind == v.PhotosOf {
				row.Photos = append(row.Photos, fileOf(a.Doc.Trade, f, false, who))
			}
		}
		p.Visits = append(p.Visits, row)
	}
	for _, f := range r.Files {
		if !strings.HasPrefix(f.Kind, application.FileVisit) {
			p.Files = append(p.Files, fileOf(a.Doc.Trade, f, p.Editable, who))
		}
	}
}

func fileOf(trade merchant.Trade, f file.File, removable bool, who *staff.Account) fileRow {
	return fileRow{ID: f.ID, Title: application.FileTitle(trade, f.Kind), Name: f.Name, Size: sizeName(f.Size),
		Image: f.Media.Image(), Removable: removable,
		Closed: f.Personal() && !who.May(staff.ReadPersonal), At: page.Moment(f.At)}
}

// sizeName writes bytes in KB or MB.
func sizeName(n int64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%d KB", (n+1023)/1024)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/(1<<20))
}

func (h *Handlers) applicationTwins(x *exchange.Exchange, p *applicationPage) error {
	if p.App.Stage.Final() {
		return nil
	}
	found, err := h.Applications.Duplicates(x.Ctx, p.App)
	if err != nil {
		return err
	}
	for _, d := range found {
		row := twin{Title: "商家", Office: d.Office, Barred: page.Day(d.Barred)}
		if d.Kind == "application" {
			row.Title = "申请"
		}
		for i, m := range d.Matches {
			if i > 0 {
				row.Matches += "；"
			}
			row.Matches += m.Title()
		}
		if x.Account.Covers(d.OfficePath) {
			row.URL, row.State = fmt.Sprintf("/console/%ss/%d", d.Kind, d.ID), d.Status
			row.Title += fmt.Sprintf(" %d", d.ID)
		}
		if d.Kind == "merchant" && d.OfficePath == p.App.OfficePath && slices.Contains(d.Matches, application.SameCode) &&
			d.Status != string(merchant.MerchantExited) {
			p.Existing = append(p.Existing, page.Choice{Value: strconv.FormatInt(d.ID, 10), Label: row.Title})
		}
		p.Twins = append(p.Twins, row)
	}
	return nil
}

// steps is a history for the part "timeline", newest first.
func steps(changes []application.Change) []page.Step {
	var out []page.Step
	for _, c := range slices.Backward(changes) {
		s := page.Step{At: c.At, Who: c.Who, What: c.Title(), Why: c.Reason}
		if s.Who == "" {
			s.Who = actorName(c.Actor)
		}
		if s.Why == s.What {
			s.Why = ""
		}
		var titles []string
		for _, f := range c.Fields {
			titles = append(titles, application.FieldTitle(f))
		}
		if len(titles) > 0 {
			s.What += "：" + strings.Join(titles, "、")
		}
		out = append(out, s)
	}
	return out
}

// actorName is who acted without an account.
func actorName(actor string) string {
	switch {
	case strings.HasPrefix(actor, "applicant"):
		return "商家"
	case actor == "system":
		return "系统"
	}
	return actor
}

// moves sorts what may be done now into what takes a click and what a reason.
func (p *applicationPage) moves(a *application.Application) {
	for _, m := range a.Moves(false) {
		switch m.Action {
		case "accept":
			p.MayAccept = true
		case "return", "reject", "withdraw":
			p.Decisions = append(p.Decisions, page.Choice{Value: m.Action, Label: m.Name})
		default:
			p.Moves = append(p.Moves, m)
		}
	}
}
