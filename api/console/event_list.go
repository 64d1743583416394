package console

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card/union/event"
)

func eventList() *ListSpec {
	return &ListSpec{
		Path: "/console/events", Name: "操作日志", Sort: "-id",
		Columns: []Column{
			{Key: "at", Label: "时间"}, {Key: "who", Label: "办理人"}, {Key: "action", Label: "事项"}, {Key: "object", Label: "对象"},
			{Key: "reason", Label: "理由"}, {Key: "changes", Label: "改动"}, {Key: "seq", Label: "链号"},
		},
		Filters: []Filter{
			{Name: "who", Label: "办理人登录名或姓名", Kind: "search"},
			{Name: "kind", Label: "对象", Kind: "choice", Choices: kindNames()},
			{Name: "object", Label: "对象编号", Kind: "search"},
			{Name: "from", Label: "从", Kind: "day"}, {Name: "until", Label: "到", Kind: "day"},
		},
	}
}

type eventRow struct {
	event.Found
	Who, What, Kind, URL string
	Name                 string // which one of its kind
	Changes              []change
}

// change is one member of what was kept, before and after; "" for none.
type change struct{ Name, Was, Is string }

type eventListPage struct {
	page.Frame
	List *List
	Rows []eventRow
}

// EventList answers GET /console/events: what concerns the account's territory, by
// its object's or its actor's union.
func (h *Handlers) EventList(x *exchange.Exchange) error {
	l := ReadList(x, eventList())
	f := event.Filter{Scope: x.Account.Path, All: wholeTree(x.Account), Who: l.Value("who"), Kind: l.Value("kind"),
		ObjectID: l.Value("object"), From: l.Day("from"), Limit: l.Page.Limit, Newer: l.Page.Back}
	if f.Kind == webhookKind {
		f.Kind, f.Action = "merchant", webhookKind
	}
	if l.Page.From != nil {
		f.Mark = l.Page.From.ID
	}
	if until := l.Day("until"); !until.IsZero() {
		f.Until = until.AddDate(0, 0, 1) // that day too
	}
	found, err := event.Search(x.Ctx, h.DB, f)
	if err != nil {
		return err
	}
	if err := h.nameReasons(x.Ctx, reasonsOf(found, func(e *event.Found) *string { return &e.Reason })); err != nil {
		return err
	}
	if l.Exporting() {
		return Export(x, l, found, h.Clock(), func(e event.Found) []any {
			r := newEventRow(e)
			return []any{page.Second(e.At), r.Who, r.What, r.Kind + " " + r.Name, e.Reason, changesText(r.Changes), e.Seq}
		})
	}
	found = Finish(l, found, func(e event.Found, _ string) (any, int64) { return e.ID, e.ID })
	p := &eventListPage{Frame: page.Frame{Title: "操作日志", Active: "events"}, List: l}
	for _, e := range found {
		p.Rows = append(p.Rows, newEventRow(e))
	}
	return h.Pages.Page(x, "console/event_list", p)
}

func newEventRow(e event.Found) eventRow {
	return eventRow{Found: e, Who: whoDid(&e), What: actionName(e.Action), Kind: kindName(e.Kind),
		Name: objectName(e.ObjectID), URL: objectURL(e.Kind, e.ObjectID), Changes: changesOf(e.Before, e.After)}
}

func changesText(changes []change) string {
	var b strings.Builder
	for i, c := range changes {
		if i > 0 {
			b.WriteString("；")
		}
		b.WriteString(c.Name + "：" + c.Was + " → " + c.Is)
	}
	return b.String()
}

// changesOf is what differs between two kept states, by name. What is no object is
// one change by itself.
func changesOf(before, after json.RawMessage) []change {
	was, is := members(before), members(after)
	keys := make([]string, 0, len(was)+len(is))
	for k := range was {
		keys = append(keys, k)
	}
	for k := range is {
		if _, both := was[k]; !both {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	var out []change
	for _, k := range keys {
		if w, i := shown(was[k]), shown(is[k]); w != i {
			out = append(out, change{memberName(k), w, i})
		}
	}
	return out
}

func members(doc json.RawMessage) map[string]json.RawMessage {
	if doc == nil {
		return nil
	}
	var m map[string]json.RawMessage
	if json.Unmarshal(doc, &m) != nil {
		return map[string]json.RawMessage{"内容": doc}
	}
	return m
}

// maxShown bounds one value on the page, in letters.
const maxShown = 200

// shown is a value as people read it.
func shown(raw json.RawMessage) string {
	var v any
	if raw == nil || json.Unmarshal(raw, &v) != nil || v == nil {
		return ""
	}
	text := string(raw)
	switch v := v.(type) {
	case bool:
		text = "否"
		if v {
			text = "是"
		}
	case string:
		text = v
		if t, err := time.Parse(time.RFC3339, v); err == nil {
			text = page.Moment(t)
		} else {
			text = valueName(v)
		}
	case []any:
		var words []string
		for _, e := range v {
			if s, ok := e.(string); ok {
				words = append(words, valueName(s))
			}
		}
		if len(words) == len(v) {
			text = strings.Join(words, "、")
		}
	}
	if r := []rune(text); len(r) > maxShown {
		text = string(r[:maxShown]) + "…"
	}
	return text
}
