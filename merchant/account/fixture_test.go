package account_test

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"unioncard/card"
	"unioncard/card/personal"
	"unioncard/card/phone"
	"unioncard/card/phone/sms"
	"unioncard/card/union"
	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/account"
	"unioncard/migrations/pgtest"
)

var (
	by   = merchant.By{Actor: "test", Reason: "test"}
	from = netip.MustParseAddr("203.0.113.9")
)

// world is a database of its own with a merchant of two shops, and a store whose
// codes come to sent and whose clock is at.
type world struct {
	*testing.T
	ctx      context.Context
	pool     *pgxpool.Pool
	vault    *personal.Vault
	store    *account.Store
	sent     chan sms.Message
	at       time.Time
	office   int64
	merchant int64
	shops    []int64
}

type outbox chan sms.Message

func (o outbox) Send(_ context.Context, m sms.Message) error {
	o <- m
	return nil
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, ctx: t.Context(), pool: pgtest.New(t), sent: make(chan sms.Message, 100), at: time.Now().Truncate(time.Minute)}
	tx, err := w.pool.Begin(w.ctx)
	w.must(err)
	unions, err := union.SeedHenan(w.ctx, tx)
	w.must(err)
	w.must(tx.Commit(w.ctx))
	w.office = unions[410105]
	w.vault, err = personal.Open(w.ctx, w.pool, personal.StaticKEK(1, bytes.Repeat([]byte{7}, 32)), personal.Options{})
	w.must(err)
	keys, err := card.NewKeyring(time.Now().Add(-30*24*time.Hour), nil)
	w.must(err)
	w.store = account.NewStore(w.pool, account.Options{Vault: w.vault, Keyring: keys, Sender: outbox(w.sent),
		Counts: phone.NewMemoryCounts(), Clock: func() time.Time { return w.at }})
	ctx, stop := context.WithCancel(context.WithoutCancel(w.ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = w.store.Run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-done
	})
	w.merchant, w.shops = w.newMerchant("老王烩面")
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) newMerchant(name string) (id int64, shops []int64) {
	w.Helper()
	s := merchant.NewStore(w.pool, time.Now)
	id, err := s.CreateMerchant(w.ctx, by, merchant.NewMerchant{OfficeID: w.office, Name: name, Trade: merchant.TradeCatering})
	w.must(err)
	for _, outlet := range []string{"一店", "二店"} {
		shop, err := s.CreateOutlet(w.ctx, by, merchant.NewOutlet{MerchantID: id, Name: outlet, Address: "花园路1号", Territory: 410105})
		w.must(err)
		shops = append(shops, shop)
	}
	return id, shops
}

func (w *world) add(number string, role account.Role, shops ...int64) int64 {
	w.Helper()
	id, err := w.store.Add(w.ctx, by, w.merchant, account.Form{Name: "赵六", Phone: number, Roles: []account.Role{role}, OutletIDs: shops})
	w.must(err)
	return id
}

// bySMS signs in as far as the code by SMS leads.
func (w *world) bySMS(number string) *account.Entry {
	w.Helper()
	w.must(w.store.RequestCode(w.ctx, from, number))
	e, err := w.store.SignIn(w.ctx, from, number, (<-w.sent).Code)
	w.must(err)
	return e
}

// signIn sets a second factor up and returns the session and the factor's secret.
func (w *world) signIn(number string) (token, secret string) {
	w.Helper()
	e := w.bySMS(number)
	if e.Stage != account.StageEnrol {
		return e.Token, ""
	}
	offer, err := w.store.Offered(w.ctx, e.Token)
	w.must(err)
	e, err = w.store.Factor(w.ctx, e.Token, staff.TOTP(offer.Secret, w.at))
	w.must(err)
	return e.Token, offer.Secret
}

func (w *world) is(what string, err, want error) {
	w.Helper()
	if !errors.Is(err, want) {
		w.Errorf("%s: %v, want %v", what, err, want)
	}
}
