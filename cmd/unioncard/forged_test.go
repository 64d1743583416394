package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/application"
	"unioncard/merchant/exit"
)

// plainNumbers are the numbers in forms that name nothing of anybody's.
var plainNumbers = []string{
	"version",       // of the object that the address names, matched against its own
	"refund_days",   // a length
	"deadline_days", // a length
	"target",        // how many cards a batch is to issue
	"no",            // of a line in the payment that the address names
	"request",       // of the outlet that the address names, looked up in it; api/portal's tests forge it
	"user",          // one of the merchants' users that a number proved itself for; api/portal's tests forge it
}

// forgedIDs are the ids in forms, and the second ids of addresses, that TestForged
// forges.
var forgedIDs = []string{"union_id", "merchant_id", "outlet", "impact", "item", "member", "file", "into", "to_union"}

// TestForgedKnowsEveryField: a form's field that is read as a number either names
// nothing or is forged below.
func TestForgedKnowsEveryField(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, dir := range []string{"../../api/console", "../../api/portal"} {
		files, err := filepath.Glob(dir + "/*.go")
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", dir, err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if field, ok := numberRead(n); ok && field != "id" { // :id is TestRights'
					seen[field] = name
				}
				return true
			})
		}
	}
	for field, file := range seen {
		if !slices.Contains(plainNumbers, field) && !slices.Contains(forgedIDs, field) {
			t.Errorf("%s reads the number %q: does it name something? Then forge it in TestForged, else list it in plainNumbers", file, field)
		}
	}
	for _, field := range slices.Concat(plainNumbers, forgedIDs) {
		if seen[field] == "" {
			t.Errorf("nothing reads the number %q any more", field)
		}
	}
}

// numberRead is the field that a call reads as a number: form.Int("x") or
// x.ID64("x").
func numberRead(n ast.Node) (string, bool) {
	call, ok := n.(*ast.CallExpr)
	if !ok || len(call.Args) != 1 {
		return "", false
	}
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || method.Sel.Name != "Int" && method.Sel.Name != "ID64" {
		return "", false
	}
	arg, ok := call.Args[0].(*ast.BasicLit)
	if !ok {
		return "", false
	}
	field, err := strconv.Unquote(arg.Value)
	return field, err == nil
}

// forgery is one request with an id that is not the asker's to name.
type forgery struct {
	name   string
	field  string
	ask    func(id string) *reply
	ids    map[string]string // what each is → the id
	status int
	good   string // an id with which the same request passes; "" to leave that out
}

// TestForged posts ids that lie elsewhere, or nowhere, in every field that takes
// one: it is refused, the answer shows nothing of it, and nothing is written. The
// same request with an id of one's own passes, so that the refusal is the id's.
func TestForged(t *testing.T) {
	t.Parallel()
	m := newMatrix(t)
	forged := map[string]bool{}
	for _, f := range slices.Concat(m.forgedUnions(), m.forgedObjects(), m.forgedSeconds(), m.forgedCards(), m.forgedRosters()) {
		m.sub(f.name, func(t *testing.T) {
			forged[f.field] = true
			m.untouched(f.name, func() {
				for _, what := range slices.Sorted(maps.Keys(f.ids)) {
					a := f.ask(f.ids[what])
					if a.status != f.status {
						t.Errorf("%s %s: %d to %s, want %d: %s", what, f.ids[what], a.status, a.to(), f.status, readable(a.body))
					}
					if strings.Contains(a.body, outsider) {
						t.Errorf("%s %s shows what is there", what, f.ids[what])
					}
				}
			})
			if f.good == "" {
				return
			}
			if a := f.ask(f.good); a.status != http.StatusSeeOther && a.status != http.StatusOK {
				t.Errorf("with an id of one's own: %d %s", a.status, readable(a.body))
			}
		})
	}
	for _, field := range forgedIDs {
		if !forged[field] {
			t.Errorf("no request forges %q", field)
		}
	}
	m.sub("lists", m.forgedLists)
	m.sub("a merchant that moved away", m.movedMerchant)
}

// nowhere adds what is no object's id to others'.
func nowhere(ids map[string]string) map[string]string {
	for i, id := range []string{"999999999", "-1", "9223372036854775808", "1 OR 1=1", "１"} {
		ids[fmt.Sprintf("nonsense%d", i)] = id
	}
	return ids
}

func idText(id int64) string { return strconv.FormatInt(id, 10) }

// elsewhere is one object of each holding that lies outside.
func (m *matrix) elsewhere(kind string) map[string]string {
	ids := map[string]string{}
	for _, h := range m.all {
		if !h.inside {
			ids[h.where] = idText(h.ids[kind][0])
		}
	}
	return ids
}

// forgedUnions: an operator puts accounts where the territory does not reach, and
// raises what it may not.
func (m *matrix) forgedUnions() []forgery {
	unions := map[string]string{}
	for _, h := range m.all {
		if !h.inside {
			unions[h.where] = idText(h.union)
		}
	}
	unions["none"] = ""
	nowhere(unions)
	operator, own, below := m.actors[staff.Operator], m.all[0], m.all[1]
	elsewhere := m.elsewhere("union")
	registrar := m.actors[staff.Registrar]
	added := func(name string) int64 {
		id, err := m.node.territory.Add(m.Context(), testBy, own.union, name)
		m.must(err)
		return id
	}
	branch, other := added("要合并的工会"), added("转去的工会")
	moving, err := m.node.cards.Enroll(m.Context(), cardBy, newCardMember(own))
	m.must(err)
	edit := func(c *clerk, id int64, union string) *reply {
		version := m.number(`SELECT version FROM staff WHERE id = $1`, id)
		return c.post(fmt.Sprintf("/console/staff/%d/edit", id), "name", "改名", "union_id", union, "roles", "approver",
			"version", idText(version), "reason", "调动")
	}
	return []forgery{
		{name: "create an account elsewhere", field: "union_id", status: 422, ids: unions, good: idText(below.union),
			ask: func(union string) *reply {
				return operator.post("/console/staff", "login", "forged", "name", "新人", "union_id", union, "roles", "negotiator", "reason", "入职")
			}},
		{name: "move an account elsewhere", field: "union_id", status: 422, ids: unions, good: idText(below.union),
			ask: func(union string) *reply { return edit(operator, own.ids["staff"][0], union) }},
		{name: "merge into a union elsewhere", field: "into", status: 404, ids: elsewhere, good: idText(below.ids["union"][0]),
			ask: func(union string) *reply {
				return registrar.post(fmt.Sprintf("/console/unions/%d/merge", branch), "into", union, "reason", "合并")
			}},
		{name: "move a member elsewhere", field: "to_union", status: 404, ids: elsewhere, good: idText(other),
			ask: func(union string) *reply {
				return registrar.post(fmt.Sprintf("/console/members/%d/transfer", moving), "to_union", union, "reason", "调动")
			}},
		{name: "give oneself a role", field: "union_id", status: 403, ids: map[string]string{"own": idText(own.union)},
			ask: func(union string) *reply { return edit(operator, operator.id, union) }},
	}
}

// forgedObjects: fields that name a merchant, an outlet, a floor's impact.
func (m *matrix) forgedObjects() []forgery {
	c, own, below := m.actors[staff.Negotiator], m.all[0], m.all[1]
	outlets := m.elsewhere("outlet")
	outlets["another merchant's"] = idText(below.ids["outlet"][0])
	contract := func(merchant int64, outlet string) *reply {
		return c.post(fmt.Sprintf("/console/merchants/%d/contract", merchant), "outlet", outlet, "valid_from", "2031-01-01",
			"valid_until", "2031-12-31", "refund_days", "30", "reason", "新签")
	}
	app := m.readyApplication(c)
	for _, h := range []*holding{below, m.all[3]} { // the same company, in another office's hands
		m.must(m.node.applied.SetDetails(m.Context(), testBy, h.ids["merchant"][0], 0, application.Details{Code: companyCode}))
	}
	merchants := m.elsewhere("merchant")
	merchants["another code's"], merchants["another office's"] = idText(own.ids["merchant"][0]), idText(below.ids["merchant"][0])
	accept := func(merchant string) *reply {
		return c.post(fmt.Sprintf("/console/applications/%d/accept", app), "merchant_id", merchant, "valid_from", "2031-01-01",
			"valid_until", "2031-12-31", "refund_days", "30", "version", idText(m.number(`SELECT version FROM applications WHERE id = $1`, app)))
	}
	territories := map[string]string{"beside": "410305", "the moved county": "410106", "the city itself": "410100", "the province": "410000",
		"another province": "110101", "none": ""}
	apply := func(url string) func(string) *reply {
		return func(territory string) *reply {
			return c.post(url, "legal_name", "越界餐饮", "trade", "catering", "version", "1", "outlet.0.name", "越界店",
				"outlet.0.address", "越界路1号", "outlet.0.territory", territory)
		}
	}
	// An impact is the province's: elsewhere there is none, whatever its id.
	impact := func(c *clerk) func(string) *reply {
		return func(id string) *reply { return c.post("/console/floors/propose", "impact", id, "reason", "提请") }
	}
	return []forgery{
		{name: "a contract for another's outlet", field: "outlet", status: 422, ids: nowhere(outlets), good: idText(own.ids["outlet"][0]),
			ask: func(id string) *reply { return contract(own.ids["merchant"][0], id) }},
		{name: "accept into another's merchant", field: "merchant_id", status: 404, ids: merchants,
			ask: accept},
		{name: "accept into nothing", field: "merchant_id", status: 404, ids: nowhere(map[string]string{}), good: "0",
			ask: accept},
		{name: "enter an application for a shop elsewhere", field: "outlet.N.territory", status: 422, ids: nowhere(maps.Clone(territories)), good: "410105",
			ask: apply("/console/applications")},
		{name: "move an application's shop elsewhere", field: "outlet.N.territory", status: 422, ids: nowhere(maps.Clone(territories)), good: "410105",
			ask: apply(fmt.Sprintf("/console/applications/%d/edit", own.ids["application"][0]))},
		{name: "propose the province's floor from below", field: "impact", status: 404, ids: map[string]string{"the province's": idText(m.impact)},
			ask: impact(c)},
		{name: "propose an impact that never was", field: "impact", status: 404, ids: nowhere(map[string]string{}), good: idText(m.impact),
			ask: impact(m.above[staff.Negotiator])},
	}
}

// forgedSeconds: second ids of addresses, and states named in forms.
func (m *matrix) forgedSeconds() []forgery {
	c, own, below := m.actors[staff.Negotiator], m.all[0], m.all[1]
	app := own.ids["application"][0]
	files := m.elsewhere("file")
	files["a contract's"], files["another application's"] = idText(own.ids["file"][3]), idText(below.ids["file"][0])
	colleague := m.actors[staff.Approver]
	session := func(c *clerk) string {
		return idText(m.number(`SELECT min(id) FROM staff_sessions WHERE staff_id = $1`, c.id))
	}
	terms := fmt.Sprintf("/console/contracts/%d/terms", own.ids["contract"][0])
	return []forgery{
		{name: "remove another's file", field: "item", status: 404, ids: nowhere(files), good: idText(m.file(own.object("application"), "可删", 77)),
			ask: func(id string) *reply {
				return c.post(fmt.Sprintf("/console/applications/%d/files/%s/remove", app, strings.ReplaceAll(id, " ", "%20")))
			}},
		{name: "end another's session", field: "item", status: 404,
			ids: nowhere(map[string]string{"a colleague's": session(colleague), "beside": session(m.all[3].clerk)}),
			ask: func(id string) *reply {
				return c.post("/console/account/sessions/" + strings.ReplaceAll(id, " ", "%20") + "/end")
			}},
		{name: "restore another's draft", field: "state", status: 422,
			ids: map[string]string{"a draft that is none of its": "d1", "a version that is none of its": "p2", "nonsense": "p999999999999", "no key": "x"},
			ask: func(state string) *reply { return c.post(terms+"/restore", "state", state, "version", "0") }, good: "p1"},
		{name: "adopt what does not bind", field: "bound", status: 303, ids: map[string]string{"a floor": "1-0-1", "a chain": "0-1-1", "nonsense": "x"},
			ask: func(bound string) *reply {
				return c.post(terms+"/adopt", "bound", bound, "offer", "base", "version", "1")
			}},
	}
}

// forgedCards: members, unions and print files named by who issues cards.
func (m *matrix) forgedCards() []forgery {
	c, own, below := m.actors[staff.CardManager], m.all[0], m.all[1]
	card := func(member string) *reply {
		return c.post("/console/cards", "member", member, "valid_until", "2031-12", "status", "inactive", "reason", "补发")
	}
	members, unions := map[string]string{}, map[string]string{"none": ""}
	for _, h := range m.all {
		if !h.inside {
			members[h.where] = idText(m.number(`SELECT member_id FROM cards WHERE serial = $1`, h.ids["card"][0]))
			unions[h.where] = idText(h.union)
		}
	}
	batch := func(union string) *reply {
		return c.post("/console/batches", "kind", "issue", "title", "越界批次", "union", union, "target", "10",
			"due_on", time.Now().AddDate(0, 1, 0).Format(time.DateOnly), "valid_until", "2031-12", "reason", "发卡")
	}
	made := own.ids["batch"][0]
	print := func(h *holding) string {
		m.must(m.node.batches.Move(m.Context(), cardBy, "/", h.ids["batch"][0], 0, "start"))
		m.node.batches.Wake()
		// The node's own worker does it: what it writes must not fall into a refused request.
		soon(m.bureau, time.Now(), time.Minute, "the batch's cards", func() bool {
			return m.number(`SELECT count(*) FROM batches WHERE status = 2`) == 0
		})
		file, err := m.node.batches.MakeFile(m.Context(), cardBy, "/", h.ids["batch"][0])
		m.must(err)
		return idText(file.ID)
	}
	enroll := func(h *holding) int64 {
		id, err := m.node.cards.Enroll(m.Context(), cardBy, newCardMember(h))
		m.must(err)
		return id
	}
	for _, h := range []*holding{own, below, m.all[3]} {
		enroll(h)
	}
	// The own batch reaches the union below, too, so it comes last.
	files := nowhere(map[string]string{"another batch's": print(below), "beside": print(m.all[3])})
	mine, free := print(own), enroll(own)
	return []forgery{
		{name: "issue a card to another's member", field: "member", status: 422, ids: nowhere(members), good: idText(free), ask: card},
		{name: "plan a batch elsewhere", field: "union", status: 422, ids: nowhere(maps.Clone(unions)), good: idText(below.union), ask: batch},
		{name: "hand out in a union elsewhere", field: "union", status: 422, ids: map[string]string{"beside": idText(m.all[3].union)},
			ask: func(union string) *reply {
				return c.post(fmt.Sprintf("/console/batches/%d/hand", made), "what", "deliver", "whom", "union", "union", union, "hand_reason", "交付")
			}, good: idText(own.union)},
		{name: "download another batch's print file", field: "file", status: 404, ids: files, good: mine,
			ask: func(file string) *reply {
				return c.post(fmt.Sprintf("/console/batches/%d/download", made), "file", file, "format", "csv-1", "print_reason", "交制卡单位")
			}},
	}
}

// companyCode is a unified social credit code (GB 32100) that is one.
const companyCode = "91410000170001401D"

// readyApplication is an application of Zhengzhou whose checklist is done.
func (m *matrix) readyApplication(c *clerk) int64 {
	m.Helper()
	a := m.enter(c, "郑州宇通餐饮有限公司", companyCode, "410105")
	m.review(c, a)
	return a
}

// enter takes an application down.
func (b *bureau) enter(c *clerk, name, code, county string) int64 {
	b.Helper()
	a := c.want("enter an application", c.post("/console/applications", "legal_name", name, "trade", "catering", "code", code,
		"legal_rep", "张三", "contact_name", "李四", "phone", "13803710001", "outlet.0.name", "花园路店", "outlet.0.address", "花园路1号",
		"outlet.0.territory", county), http.StatusSeeOther)
	id, err := strconv.ParseInt(strings.TrimPrefix(a.to(), "/console/applications/"), 10, 64)
	b.must(err)
	return id
}

// review sends an application, takes it up and goes through its checklist.
func (b *bureau) review(c *clerk, id int64) {
	b.Helper()
	at := fmt.Sprintf("/console/applications/%d", id)
	version := func() string { return idText(b.number(`SELECT version FROM applications WHERE id = $1`, id)) }
	for i, kind := range []string{"licence", "permit", "storefront"} {
		c.want(kind, c.upload(at+"/files", "file", kind+".jpg", snapshot(b, 100+i), "kind", kind), http.StatusSeeOther)
	}
	for _, action := range []string{"submit", "take"} {
		c.want(action, c.post(at+"/move", "action", action, "version", version()), http.StatusSeeOther)
	}
	today := time.Now().In(time.FixedZone("", 8*3600)).Format(time.DateOnly)
	c.want("visit", c.upload(at+"/visits", "photos", "visit.jpg", snapshot(b, 200), "visited_on", today, "note", "招牌醒目，营业正常"), http.StatusSeeOther)
	for _, item := range []string{"licence", "registry", "permit", "storefront", "outlets", "contact", "visit"} {
		c.want("check "+item, c.post(at+"/checks", "item", item, "on", "1", "version", version()), http.StatusSeeOther)
	}
}

// forgedLists: conditions and cursors of lists that come from elsewhere.
func (m *matrix) forgedLists(t *testing.T) {
	c, above, other := m.actors[staff.Auditor], m.above[staff.Auditor], m.all[3]
	var cursors []string
	for _, list := range []string{"merchants", "outlets", "terminals", "contracts", "applications", "events"} {
		a := above.get("/console/" + list + "?size=1&sort=-id")
		if _, rest, ok := strings.Cut(a.body, "at="); ok {
			cursor, _, _ := strings.Cut(rest, "&")
			cursor, _, _ = strings.Cut(cursor, `"`)
			cursors = append(cursors, "/console/"+list+"?size=200&sort=-id&at="+cursor)
		}
	}
	if len(cursors) < 5 {
		t.Errorf("the province's lists give only %d cursors", len(cursors))
	}
	paths := append(cursors, "/console/merchants?office=410300", "/console/applications?office=410300&format=csv",
		"/console/events?kind=contract&object="+idText(other.ids["contract"][0]), "/console/events?who="+other.clerk.login,
		"/console/proposals?view=all&before=999999999", "/console/floors/show?trade=travel&id="+idText(m.impact))
	for _, path := range paths {
		if a := c.get(path); a.status != http.StatusOK || strings.Contains(a.body, outsider) {
			t.Errorf("%s: %d, shows what is elsewhere: %v", path, a.status, strings.Contains(a.body, outsider))
		}
	}
}

// movedMerchant: an office still has the contract that it signed, but the merchant
// has moved away with its county; the office ends its own contract and no more.
func (m *matrix) movedMerchant(t *testing.T) {
	c, moved := m.actors[staff.Negotiator], m.all[4]
	ctx, shops := t.Context(), m.node.merchants
	signed := func(name string) (shop, contract int64) {
		shop, err := shops.CreateMerchant(ctx, testBy, merchant.NewMerchant{OfficeID: moved.union, Name: name, Trade: merchant.TradeShopping})
		m.must(err)
		_, err = shops.CreateOutlet(ctx, testBy, merchant.NewOutlet{MerchantID: shop, Name: name, Territory: shangjie})
		m.must(err)
		return shop, m.sign(testBy, shop, m.unions[zhengzhou])
	}
	shop, contract := signed("随县划走的商行")
	now := time.Now().In(time.FixedZone("", 8*3600))
	end := func(leaves string) *reply {
		return c.post(fmt.Sprintf("/console/contracts/%d/exit", contract), "kind", "notice", "cause", "merchant_wish", "merchant_leaves", leaves,
			"noticed_on", now.Format(time.DateOnly), "last_day", now.AddDate(0, 0, 30).Format(time.DateOnly), "reason", "商家提出")
	}
	m.untouched("exit of a merchant elsewhere", func() {
		c.want("exit of a merchant elsewhere", end("1"), http.StatusUnprocessableEntity)
	})
	for _, path := range []string{"", "/details", "/contract"} {
		c.want("the merchant", c.get(fmt.Sprintf("/console/merchants/%d%s", shop, path)), http.StatusNotFound)
	}
	c.want("end of the own contract", end("0"), http.StatusSeeOther)

	// One that was ordered before the county moved.
	shop, contract = signed("划走前已提退出的商行")
	exits := exit.New(m.pool, time.Now)
	m.must(pgx.BeginFunc(ctx, m.pool, func(tx pgx.Tx) error {
		_, err := exits.OrderTx(ctx, tx, testBy, contract, exit.Order{Kind: exit.KindCause, Cause: "fraud", NoticedOn: now.Format(time.DateOnly), Merchant: true})
		return err
	}))
	for range 2 { // it settles, and is done
		_, err := exits.Advance(ctx, now.AddDate(2, 0, 0))
		m.must(err)
	}
	if p, err := exits.Latest(ctx, contract); err != nil || p.State != exit.StateDone {
		t.Errorf("the plan: %+v, %v", p, err)
	}
	if n := m.number(`SELECT count(*) FROM merchants WHERE id = $1 AND status = 'active'`, shop); n != 1 {
		t.Error("a merchant of another office was sent away")
	}
}
