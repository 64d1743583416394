package portal_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strconv"
	"time"

	"unioncard/api/page"
	"unioncard/api/portal"
	"unioncard/card"
	"unioncard/card/personal"
	"unioncard/card/phone"
	"unioncard/card/phone/sms"
	"unioncard/merchant"
	"unioncard/merchant/account"
	"unioncard/merchant/application"
	"unioncard/merchant/file"
	"unioncard/merchant/fleet"
	"unioncard/merchant/signing"
	"unioncard/settlement"
	"unioncard/settlement/report"
	"unioncard/settlement/webhook"
)

// inPortal marks a session of rig.get and the like as one of the merchants' portal.
const inPortal = "portal:"

// by is who furnishes the tests.
var by = merchant.By{Actor: "test", Reason: "test"}

type outbox chan sms.Message

func (o outbox) Send(_ context.Context, m sms.Message) error {
	o <- m
	return nil
}

func (r *rig) now() time.Time { return time.Now().Add(time.Duration(r.shift.Load())) }

// pass moves the portal's clock on.
func (r *rig) pass(d time.Duration) { r.shift.Add(int64(d)) }

// newUsers is the store of merchants' users; what it sends comes to r.sent.
func (r *rig) newUsers() *account.Store {
	r.t.Helper()
	vault, err := personal.Open(r.t.Context(), r.pool, personal.StaticKEK(1, bytes.Repeat([]byte{7}, 32)), personal.Options{})
	r.must(err)
	keys, err := card.NewKeyring(time.Now().Add(-30*24*time.Hour), nil)
	r.must(err)
	users := account.NewStore(r.pool, account.Options{Vault: vault, Keyring: keys, Sender: outbox(r.sent),
		Counts: phone.NewMemoryCounts(), Clock: r.now})
	ctx, stop := context.WithCancel(context.WithoutCancel(r.t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = users.Run(ctx)
	}()
	r.t.Cleanup(func() {
		stop()
		<-done
	})
	return users
}

// portalOptions is what the portal of a rig works on: whoever adds a store to the
// portal adds it here.
func (r *rig) portalOptions(pages *page.Renderer, files *file.Store) portal.Options {
	proposals := signing.New(r.pool, signing.Options{Clock: r.now, Kinds: signing.Kinds(r.now)})
	return portal.Options{Pages: pages, Applications: r.store, Files: files, Accounts: r.users, Recon: r.till(), Clock: r.now,
		Sales: report.NewStore(r.pool, r.now), Statements: settlement.NewStore(r.pool, settlement.Options{Clock: r.now}),
		Webhooks: webhook.NewStore(r.pool, webhook.Options{Clock: r.now, Vault: application.NewVault(
			func() []application.VaultKey { return []application.VaultKey{{ID: 1, Secret: make([]byte, 32)}} })}),
		Merchants: merchant.NewStore(r.pool, r.now), Contracts: signing.NewContracts(r.pool, r.now, proposals, files),
		Fleet: fleet.NewStore(r.pool, r.now)}
}

// shop makes a merchant of Jinshui's office with some outlets.
func (r *rig) shop(name string, outlets int) (merchantID int64, outletIDs []int64) {
	r.t.Helper()
	store := merchant.NewStore(r.pool, time.Now)
	merchantID, err := store.CreateMerchant(r.t.Context(), by, merchant.NewMerchant{OfficeID: r.unions[410105], Name: name, Trade: merchant.TradeCatering})
	r.must(err)
	for i := range outlets {
		id, err := store.CreateOutlet(r.t.Context(), by, merchant.NewOutlet{MerchantID: merchantID, Name: fmt.Sprintf("%s%d店", name, i+1),
			Address: "花园路1号", Territory: 410105})
		r.must(err)
		outletIDs = append(outletIDs, id)
	}
	return merchantID, outletIDs
}

// user makes a user of a merchant, signs it in without codes, and returns the session
// for rig.get and the like.
func (r *rig) user(merchantID int64, role account.Role, outlets ...int64) (session string) {
	r.t.Helper()
	session, _ = r.userID(merchantID, role, outlets...)
	return session
}

func (r *rig) userID(merchantID int64, role account.Role, outlets ...int64) (session string, id int64) {
	r.t.Helper()
	var n int64
	r.must(r.pool.QueryRow(r.t.Context(), `SELECT coalesce(max(id), 0) FROM merchant_users`).Scan(&n))
	id, err := r.users.Add(r.t.Context(), by, merchantID, account.Form{Name: "王测试", Phone: fmt.Sprintf("139%08d", n+1),
		Roles: []account.Role{role}, OutletIDs: outlets})
	r.must(err)
	return r.session(id), id
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// session opens a session of a user who has given the second factor.
func (r *rig) session(user int64) string {
	r.t.Helper()
	raw := make([]byte, 32)
	var n int64
	r.must(r.pool.QueryRow(r.t.Context(), `SELECT count(*) FROM merchant_sessions`).Scan(&n))
	binary.BigEndian.PutUint64(raw, uint64(n+1))
	hash := sha256.Sum256(raw)
	_, err := r.pool.Exec(r.t.Context(), `INSERT INTO merchant_sessions (hash, users, user_id, stage, factor, proved_at, created_at, seen_at)
		VALUES ($1, ARRAY[$2::bigint], $2, 'full', true, $3, $3, $3)`, hash[:], user, r.now())
	r.must(err)
	return inPortal + base64.RawURLEncoding.EncodeToString(raw)
}
