package phone_test

import (
	"crypto/ed25519"
	"flag"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"unioncard/card"
	"unioncard/card/phone"
	"unioncard/merchant"
	"unioncard/settlement/purchase"
)

// signInRounds asks for the measurement, which wants a machine to itself:
//
//	go test ./api/phone -run TestSignInsBesideVerifications -sign-in-rounds 10 -v
var signInRounds = flag.Int("sign-in-rounds", 1, "rounds of TestSignInsBesideVerifications, 2 s with sign-ins and 2 s without each")

const (
	signInsPerSecond = 28 // 100,000 an hour
	roundTime        = 2 * time.Second
	// ratioTarget is of verifications a second beside sign-ins to those without.
	ratioTarget = 0.9
	// fewRounds: with fewer the figure is printed and held to nothing.
	fewRounds = 5
)

// TestSignInsBesideVerifications: 100,000 sign-ins an hour, each with its code, its
// session and the first keys, leave a node that verifies at full speed at least nine
// tenths of it. It prints sign_in_ratio with its target.
func TestSignInsBesideVerifications(t *testing.T) {
	r := newRig(t, changes{limits: func(l *phone.Limits) { l.AddressHour, l.Minute = 1<<30, 1<<30 }})
	v := r.newVerifying()
	post := r.postRoom()
	members := *signInRounds * int(roundTime/time.Second) * signInsPerSecond
	for n := range members {
		r.enrollQuietly(n)
	}
	r.reload()

	var alone, beside, ratios []float64
	next := 0
	for range *signInRounds {
		a := v.rate(roundTime)
		done := make(chan int)
		go func(from int) { done <- r.signInMany(post, from) }(next)
		b := v.rate(roundTime)
		next += <-done
		alone, beside, ratios = append(alone, a), append(beside, b), append(ratios, b/a)
	}
	if next != members {
		t.Errorf("%d of %d signed in", next, members)
	}
	ratio := median(ratios)
	fmt.Printf("sign_in_ratio %.3f %.1f\n", ratio, ratioTarget)
	t.Logf("verifications a second: %.0f alone, %.0f beside %d sign-ins a second; ratios %.3f", median(alone), median(beside), signInsPerSecond, ratios)
	if *signInRounds >= fewRounds && ratio < ratioTarget {
		t.Errorf("ratio %.3f, want %.1f", ratio, ratioTarget)
	}
}

func median(all []float64) float64 {
	all = slices.Clone(all)
	slices.Sort(all)
	return all[len(all)/2]
}

// signInMany signs the round's members in at an even pace, whatever the answers
// take, and returns how many are in.
func (r *rig) signInMany(post func(number string) string, from int) int {
	n := int(roundTime/time.Second) * signInsPerSecond
	var all sync.WaitGroup
	var in atomic.Int64
	pace := time.NewTicker(time.Second / signInsPerSecond)
	defer pace.Stop()
	for i := range n {
		m := r.mobile(from + i)
		all.Go(func() {
			m.askCode().want(r.t, 202, "")
			m.trySignIn(post(m.number)).want(r.t, 200, "")
			m.tryEnrol(false).want(r.t, 200, "")
			in.Add(1)
		})
		<-pace.C
	}
	all.Wait()
	return int(in.Load())
}

// postRoom sorts what is sent by number.
func (r *rig) postRoom() func(number string) string {
	var mu sync.Mutex
	waiting := map[string]chan string{}
	box := func(number string) chan string {
		mu.Lock()
		defer mu.Unlock()
		if waiting[number] == nil {
			waiting[number] = make(chan string, 1)
		}
		return waiting[number]
	}
	go func() {
		for {
			select {
			case m := <-r.sent:
				box(m.Phone) <- m.Code
			case <-r.t.Context().Done():
				return
			}
		}
	}()
	return func(number string) string { return <-box(number) }
}

// verifying is a terminal that verifies a card as fast as it can.
type verifying struct {
	r        *rig
	verifier *purchase.Verifier
	client   purchase.Client
	card     card.Card
}

func (r *rig) newVerifying() *verifying {
	r.t.Helper()
	ctx, shops := r.t.Context(), merchant.NewStore(r.pool, r.now)
	who := merchant.By{Actor: "cli:test", Reason: "test"}
	m, err := shops.CreateMerchant(ctx, who, merchant.NewMerchant{OfficeID: r.office, Name: "老郑州烩面", Trade: merchant.TradeCatering})
	r.must(err)
	outlet, err := shops.CreateOutlet(ctx, who, merchant.NewOutlet{MerchantID: m, Name: "花园路店", Territory: 410105})
	r.must(err)
	c, err := shops.CreateContract(ctx, who, merchant.NewContract{MerchantID: m, OfficeID: r.office,
		ValidFrom: time.Now().Add(-24 * time.Hour), ValidUntil: time.Now().Add(300 * 24 * time.Hour)})
	r.must(err)
	_, err = shops.PublishTerms(ctx, who, c, []byte(`{"v":1,"offers":[{"id":"all9","title":"全场9折","benefit":{"kind":"percent","rate_bp":9000},"funding_bp":10000}]}`), time.Time{})
	r.must(err)
	r.must(shops.ActivateContract(ctx, who, c))
	code, err := shops.IssueActivationCode(ctx, who, outlet)
	r.must(err)
	public, _, err := ed25519.GenerateKey(nil)
	r.must(err)
	terminal, err := shops.Activate(ctx, code.Code, public)
	r.must(err)
	v := &verifying{r: r}
	_, v.card = r.enroll(900_000)
	seen := r.state.Snapshot().Terminal(terminal.ID)
	v.client = purchase.Client{Terminal: seen, Addr: netip.MustParseAddr("192.0.2.1")}
	v.verifier = purchase.NewVerifier(purchase.VerifierOptions{
		Codes: r.codes, Guard: card.NewMemoryGuard(card.DefaultGuardOptions()), Bindings: card.NewMemoryBindings(), Table: r.table,
		Tree: r.trees.Tree, Merchants: r.state, Numbers: r.cards, Keyring: r.keys, Age: func() time.Duration { return 0 }, Clock: time.Now,
	})
	return v
}

// rate is verifications a second over d, by as many tills as there are processors.
func (v *verifying) rate(d time.Duration) float64 {
	var all sync.WaitGroup
	var n atomic.Int64
	began := time.Now()
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			var ans purchase.VerifyAnswer
			req := purchase.VerifyRequest{HasAmount: true, AmountFen: 10_000}
			for time.Since(began) < d {
				req.Code = v.r.codes.PhoneCode(v.card.Serial, v.card.Generation, v.card.PhoneEpoch, 0, time.Now())
				for range 200 {
					if err := v.verifier.Verify(v.r.t.Context(), &v.client, &req, &ans); err != nil {
						v.r.t.Error(err)
						return
					}
				}
				n.Add(200)
			}
		})
	}
	all.Wait()
	return float64(n.Load()) / time.Since(began).Seconds()
}
