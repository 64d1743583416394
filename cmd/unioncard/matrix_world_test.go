package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card"
	"unioncard/card/batch"
	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/application"
	"unioncard/merchant/intake"
	"unioncard/merchant/terms"
)

// Divisions of the tests of territory, seen from Zhengzhou's city union.
const (
	zhengzhou = 410100
	jinshui   = 410105 // below
	shangjie  = 410106 // below, until it moves
	luoyang   = 410300 // beside
	henan     = 410000 // above
)

// outsider is in the name of everything that Zhengzhou must not see.
const outsider = "辖区外"

// holding is one union's objects, at least one of each kind.
type holding struct {
	where  string // own, below, above, beside, moved
	union  int64
	inside bool // of Zhengzhou's territory
	clerk  *clerk
	ids    map[string][]int64 // by kind
}

// object is an application of the holding, as files name it.
func (h *holding) object(kind string) string {
	return fmt.Sprintf("%s:%d", kind, h.ids[kind][0])
}

// furnish makes one of everything for a union. county is where its shop stands.
func (b *bureau) furnish(where string, division, county int32, inside bool) *holding {
	b.Helper()
	ctx := b.Context()
	name := where
	if !inside {
		name = outsider + where
	}
	h := &holding{where: where, union: b.unions[division], inside: inside, ids: map[string][]int64{}}
	h.clerk = b.hire("maker-"+where, h.union, staff.Negotiator)
	add := func(kind string, id int64, err error) int64 {
		b.Helper()
		b.must(err)
		h.ids[kind] = append(h.ids[kind], id)
		return id
	}
	shops := b.node.merchants
	by := merchant.By{Actor: h.clerk.account().Actor(), Reason: name}
	id, err := shops.CreateMerchant(ctx, by, merchant.NewMerchant{OfficeID: h.union, Name: name + "商行", Trade: merchant.TradeShopping})
	shop := add("merchant", id, err)
	id, err = shops.CreateOutlet(ctx, by, merchant.NewOutlet{MerchantID: shop, Name: name + "门店", Address: name + "路1号", Territory: county})
	outlet := add("outlet", id, err)
	code, err := shops.IssueActivationCode(ctx, by, outlet)
	b.must(err)
	key, _, err := ed25519.GenerateKey(rand.Reader)
	b.must(err)
	till, err := shops.Activate(ctx, code.Code, key)
	b.must(err)
	add("terminal", till.ID, nil)
	contract := add("contract", b.sign(by, shop, h.union), nil)
	id, err = b.node.applied.Enter(ctx, h.clerk.account(), name, application.Document{LegalName: name + "公司", Trade: merchant.TradeCatering,
		Outlets: []application.Outlet{{Name: name + "分店", Address: name + "街2号", Territory: county}}})
	add("application", id, err)
	for i, kind := range []string{"application", "merchant", "outlet", "contract"} {
		add("file", b.file(h.object(kind), name, i), nil)
	}
	id, err = b.node.accounts.Create(ctx, staff.By{Actor: "test", Reason: name},
		staff.NewAccount{Login: "someone-" + where, Name: name + "职员", UnionID: h.union, Roles: []staff.Role{staff.Finance}, Password: sitePassword})
	add("staff", id, err)
	book, err := intake.Template()
	b.must(err)
	run, err := intake.New(b.pool, time.Now, b.node.applied).Check(ctx, h.clerk.account(), name+".xlsx", book)
	b.must(err)
	add("importrun", run.ID, nil)
	roll, err := b.node.rosters.Upload(ctx, h.clerk.account(), h.union, name+".csv", strings.NewReader("姓名,身份证号,工会\n"+name+",1,"+name+"\n"))
	add("rosterrun", roll, err)
	member, err := b.node.cards.Enroll(ctx, cardBy, newCardMember(h))
	b.must(err)
	add("member", member, err)
	issued, err := b.node.cards.Issue(ctx, cardBy, member, card.MonthOf(time.Now())+24)
	add("card", issued.Serial, err)
	branch, err := b.node.territory.Add(ctx, by, h.union, name+"基层工会")
	add("union", branch, err)
	transfer := b.number(`INSERT INTO member_transfers (member_id, from_union, to_union, state, requested_by, requested_at, reason, due_at)
		VALUES ($1, $2, $3, 'requested', 'test', now(), $4, now() + interval '15 days') RETURNING id`, member, h.union, branch, name)
	add("transferout", transfer, nil)
	add("transferin", transfer, nil)
	id, err = b.node.batches.Create(ctx, cardBy, batch.Draft{Kind: batch.Issue, UnionID: h.union, Title: name + "批次", Target: 1,
		DueOn: batch.Today(time.Now()), ValidUntil: card.MonthOf(time.Now()) + 24})
	add("batch", id, err)
	h.clerk.want("propose", h.clerk.post(fmt.Sprintf("/console/contracts/%d/suspend", contract), "suspend_reason", name), 303)
	add("proposal", b.number(`SELECT max(id) FROM proposals`), nil)
	b.furnishMoney(h, name, shop, outlet)
	return h
}

// cardBy issues the matrix's cards.
var cardBy = card.By{Actor: "test", Reason: "试验"}

// newCardMember is a member of a holding's union.
func newCardMember(h *holding) card.NewMember {
	return card.NewMember{UnionID: h.union, Name: "张三"}
}

// sign puts a merchant's contract in force.
func (b *bureau) sign(by merchant.By, shop, office int64) int64 {
	b.Helper()
	ctx, shops := b.Context(), b.node.merchants
	from := time.Now().Add(-time.Minute)
	id, err := shops.CreateContract(ctx, by, merchant.NewContract{MerchantID: shop, OfficeID: office, ValidFrom: from, ValidUntil: from.AddDate(1, 0, 0)})
	b.must(err)
	doc := terms.Terms{V: terms.Version, Offers: []terms.Offer{{ID: "base", Title: "9折", FundingBP: 10000,
		Benefit: terms.Benefit{Kind: terms.KindPercent, RateBP: 9000}}}}
	raw, err := doc.Canonical()
	b.must(err)
	_, err = shops.PublishTerms(ctx, by, id, raw, from)
	b.must(err)
	b.must(shops.ActivateContract(ctx, by, id))
	return id
}

// file stores a photograph for an object.
func (b *bureau) file(object, name string, n int) (id int64) {
	b.Helper()
	return b.fileOf(object, "storefront", name, n)
}

// fileOf stores a photograph of a kind.
func (b *bureau) fileOf(object, kind, name string, n int) (id int64) {
	b.Helper()
	b.must(pgx.BeginFunc(b.Context(), b.pool, func(tx pgx.Tx) error {
		f, err := b.node.files.Put(b.Context(), tx, testBy, object, kind, name+strconv.Itoa(n)+".jpg", snapshot(b, n))
		id = f.ID
		return err
	}))
	return id
}

// moveUnion puts a union, and all below it, under another one.
func (b *bureau) moveUnion(division, under int32) {
	b.Helper()
	_, err := b.pool.Exec(b.Context(), `UPDATE unions u SET version = u.version + 1,
			parent_id = CASE WHEN u.id = m.id THEN t.id ELSE u.parent_id END,
			path = t.path || substr(u.path, length(p.path) + 1)
		FROM unions m, unions t, unions p WHERE m.id = $1 AND t.id = $2 AND p.id = m.parent_id AND starts_with(u.path, m.path)`,
		b.unions[division], b.unions[under])
	b.must(err)
}

// quiet are the tables that the node writes by itself, whoever asks for what.
func quiet(table string) bool {
	for _, prefix := range []string{"staff_sessions", "event_chain", "event_scopes", "changes", "directory_", "outlet_signs",
		"terminal_signs", "verifications", "purchase_days", "reminders", "client_assertions", "migrations", "schema_"} {
		if strings.HasPrefix(table, prefix) {
			return true
		}
	}
	return false
}

// contents is a digest of every table that people's work is written to.
func (b *bureau) contents() map[string]string {
	b.Helper()
	rows, err := b.pool.Query(b.Context(), `SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1`)
	b.must(err)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	b.must(err)
	out := map[string]string{}
	for _, table := range tables {
		if quiet(table) {
			continue
		}
		var digest string
		b.must(b.pool.QueryRow(b.Context(), `SELECT count(*) || ' ' || coalesce(md5(string_agg(t::text, E'\n' ORDER BY t::text)), '')
			FROM `+pgx.Identifier{table}.Sanitize()+` t`).Scan(&digest))
		out[table] = digest
	}
	return out
}

// untouched runs f and fails if anything was written meanwhile.
func (b *bureau) untouched(what string, f func()) {
	b.Helper()
	before := b.contents()
	f()
	for table, now := range b.contents() {
		if before[table] != now {
			b.Errorf("%s: table %s was %s, is %s", what, table, before[table], now)
		}
	}
}

// floorDraft leaves a floor drafted and its impact found, by a clerk of the
// province, and returns the impact's id.
func (b *bureau) floorDraft(ctx context.Context, c *clerk) int64 {
	b.Helper()
	const doc = `{"v":1,"offers":[{"id":"base","title":"九折底线","benefit":{"kind":"percent","rate_bp":9000},"funding_bp":10000}]}`
	c.want("draft a floor", c.upload("/console/floors/edit/json?trade=travel", "", "", nil, "doc", doc, "version", "0"), 303)
	c.want("find its impact", c.post("/console/floors/impact", "trade", "travel", "deadline_days", "30"), 303)
	soon(b, time.Now(), time.Minute, "impact", func() bool {
		return ctx.Err() != nil || b.number(`SELECT count(*) FROM floor_impacts WHERE state <> 'done'`) == 0
	})
	return b.number(`SELECT max(id) FROM floor_impacts`)
}
