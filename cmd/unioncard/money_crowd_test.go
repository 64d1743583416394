package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"unioncard/card"
)

// A voucher of the crowd's series: 满50减40, and a basket that it fits.
const (
	faceFen   = 4000
	basketFen = 5000
	perPack   = 4
)

// crowd is the members who come at the minute, and the tills where they spend what
// they got. Everything goes over HTTP.
type crowd struct {
	*moneySite
	holders []holder
	tills   []*shopFront
	http    *http.Client

	mu      sync.Mutex
	answers map[string]int // of claims, by their outcome or problem
	refused map[string]int // purchases, by the problem's code
	sold    []soldSale
}

// holder is a member with a card and a signed-in phone.
type holder struct {
	token  string
	serial int64
	got    bool
}

// soldSale is a purchase as the shop's own books have it.
type soldSale struct {
	ID, Ref             string
	AmountFen, Discount int64
	At                  time.Time
	Last4               string
}

// gather registers n members, each signed in on a phone, and opens the tills.
func (m *moneySite) gather(ctx context.Context, n, tills int) (*crowd, error) {
	c := &crowd{moneySite: m, answers: map[string]int{}, refused: map[string]int{}, http: &http.Client{
		Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: m.wide, MaxConnsPerHost: m.wide}}}
	first, err := card.NewStore(m.pool, card.StoreOptions{}).BulkLoad(ctx, card.By{Actor: "test", Reason: "test"}, n, card.BulkOptions{}, func(_ int, r *card.BulkRow) {
		*r = card.BulkRow{UnionID: m.phoneSite.union, Territory: 410102, Name: "李晓红", ValidUntil: card.MonthOf(time.Now()) + 12}
	})
	if err != nil {
		return nil, err
	}
	hashes := make([][]byte, n)
	for i := range n {
		raw := make([]byte, 32)
		_, _ = rand.Read(raw) // never fails
		sum := sha256.Sum256(raw)
		hashes[i] = sum[:]
		c.holders = append(c.holders, holder{token: base64.RawURLEncoding.EncodeToString(raw), serial: first + int64(i)})
	}
	_, err = m.pool.Exec(ctx, `INSERT INTO phone_sessions (hash, member_id, created_at, seen_at)
		SELECT h, c.member_id, now(), now() FROM unnest($1::bytea[]) WITH ORDINALITY AS t (h, n) JOIN cards c ON c.serial = $2 + n - 1`, hashes, first)
	if err != nil {
		return nil, err
	}
	for range tills {
		code, err := m.node.merchants.IssueActivationCode(ctx, testBy, m.outlet)
		if err != nil {
			return nil, err
		}
		till := &shopFront{site: m.site, till: &simTill{sim: &simulation{base: m.base, http: c.http}}}
		if err := till.till.activate(ctx, code.Code); err != nil {
			return nil, err
		}
		c.tills = append(c.tills, till)
	}
	return c, nil
}

// storm lets everybody claim at once, and whoever got a pack spends it at two tills
// at once, until the last voucher is spent. It ends when everyone has a definite
// answer.
func (c *crowd) storm(ctx context.Context, series int64) error {
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(c.wide)
	for i := range c.holders {
		h := &c.holders[i]
		all.Go(func() error {
			outcome, err := c.claim(ctx, h.token, series)
			if err != nil {
				return err
			}
			c.mu.Lock()
			c.answers[outcome]++
			c.mu.Unlock()
			if h.got = outcome == ""; !h.got {
				return nil
			}
			// The same again, as a phone does that lost the answer: nothing more is had.
			if again, err := c.claim(ctx, h.token, series); err != nil || again != "" {
				return errors.Join(err, fmt.Errorf("claimed again: %q", again))
			}
			return c.spend(ctx, h.serial, i, perPack)
		})
	}
	return all.Wait()
}

// claim asks until the answer is definite: "" for claimed, else a problem's code.
func (c *crowd) claim(ctx context.Context, token string, series int64) (outcome string, err error) {
	body, err := json.Marshal(map[string]any{"series": series})
	if err != nil {
		return "", err
	}
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+"/m/api/vouchers/claim", bytes.NewReader(body))
		if err != nil {
			return "", err
		}
		req.Header.Set("Content-Type", "application/json")
		req.AddCookie(&http.Cookie{Name: "uc_member", Value: token})
		res, err := c.http.Do(req)
		if err != nil {
			return "", err
		}
		var answer struct{ Code string }
		err = json.NewDecoder(res.Body).Decode(&answer)
		drain(res.Body)
		switch {
		case err != nil:
			return "", err
		case res.StatusCode == http.StatusServiceUnavailable || res.StatusCode == http.StatusTooManyRequests:
			continue // a crowd waits in line
		case res.StatusCode == http.StatusOK:
			return "", nil
		}
		return answer.Code, nil
	}
}

// spend buys with each of the card's vouchers, at two tills at once, so that both
// reach for the same voucher and one of them is told.
func (c *crowd) spend(ctx context.Context, serial int64, n, vouchers int) error {
	var two errgroup.Group
	var mu sync.Mutex
	left := vouchers
	take := func() bool {
		mu.Lock()
		defer mu.Unlock()
		left--
		return left >= 0
	}
	for k := range 2 {
		till := c.tills[(2*n+k)%len(c.tills)]
		two.Go(func() error {
			for take() {
				if err := c.buy(ctx, till, serial); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return two.Wait()
}

// buy sells one basket that a voucher pays for. The plastic card is shown: its code is
// good as often as one likes, where a phone's is good once.
func (c *crowd) buy(ctx context.Context, till *shopFront, serial int64) error {
	code := c.codes.PrintedCode(serial, 1, time.Now())
	for ctx.Err() == nil {
		answer, err := till.ask(ctx, "/v1/verifications", map[string]any{"code": code, "amount_fen": basketFen})
		// A refusal comes with a fresh quote, which the cashier takes if it is as good.
		for err == nil && pays(answer) {
			ref := "XS" + rand.Text()[:12]
			quote, _ := answer["quote"].(map[string]any)
			if answer, err = till.ask(ctx, "/v1/purchases", map[string]any{"quote": quote["token"], "merchant_ref": ref}); err != nil {
				break
			}
			problem, _ := answer["problem"].(string)
			if problem == "" {
				c.note(answer, ref, serial)
				return nil
			}
			c.mu.Lock()
			c.refused[problem]++
			c.mu.Unlock()
			if problem != "voucher_used" && !busy(problem) {
				return fmt.Errorf("not sold: %v", answer)
			}
		}
		if err != nil {
			return err
		}
		if answer["quote"] == nil && !busy(answer["problem"]) && answer["problem"] != "voucher_used" {
			return fmt.Errorf("no quote for a holder of vouchers: %v", answer)
		}
	}
	return ctx.Err()
}

// pays says whether an answer's quote has a voucher in it: a node that has not heard of
// the voucher yet gives the merchant's own discount.
func pays(answer map[string]any) bool {
	quote, _ := answer["quote"].(map[string]any)
	off, _ := quote["discount_fen"].(float64)
	return int64(off) >= faceFen
}

func busy(problem any) bool { return problem == "busy" || problem == "overloaded" }

// note writes a sale into the shop's books.
func (c *crowd) note(got map[string]any, ref string, serial int64) {
	s := soldSale{Ref: ref}
	s.ID, _ = got["id"].(string)
	amount, _ := got["amount_fen"].(float64)
	off, _ := got["discount_fen"].(float64)
	at, _ := got["committed_at"].(string)
	s.AmountFen, s.Discount = int64(amount), int64(off)
	s.At, _ = time.Parse(time.RFC3339, at)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sold = append(c.sold, s)
}

// holds looks at the database after the storm: every fen of the series is spent, none
// more, and everyone's answer is what is written down.
func (c *crowd) holds(ctx context.Context, series int64, packs int) error {
	var amount, spent, balance, sold, discount int64
	var claimed, used, other, cards int
	err := c.pool.QueryRow(ctx, `SELECT b.amount_fen, (SELECT sum(spent_fen - back_fen)::bigint FROM budget_slices WHERE budget_id = b.id),
		  (SELECT coalesce(sum(CASE WHEN credit = a THEN fen ELSE -fen END), 0)::bigint FROM transfers WHERE a IN (debit, credit)),
		  v.claimed, (SELECT count(*) FROM vouchers WHERE series_id = b.id AND state = 2),
		  (SELECT count(*) FROM vouchers WHERE series_id = b.id AND state <> 2),
		  (SELECT count(DISTINCT card_serial) FROM vouchers WHERE series_id = b.id),
		  (SELECT count(*) FROM purchases WHERE union_share_fen > 0), (SELECT coalesce(sum(union_share_fen), 0)::bigint FROM purchases WHERE state <> 9)
		FROM budgets b JOIN voucher_series v ON v.budget_id = b.id, LATERAL (SELECT (2::bigint << 56) | b.id) AS x (a) WHERE b.id = $1`, series).
		Scan(&amount, &spent, &balance, &claimed, &used, &other, &cards, &sold, &discount)
	if err != nil {
		return err
	}
	whole := int64(packs) * perPack * faceFen
	if amount != whole || spent != whole || balance != 0 || discount != whole {
		return fmt.Errorf("of %d fen: %d in the budget, %d spent, %d left in the ledger, %d given as discount", whole, amount, spent, balance, discount)
	}
	if claimed != packs || cards != packs || used != packs*perPack || other != 0 || sold != int64(used) {
		return fmt.Errorf("%d packs claimed by %d cards, %d vouchers used, %d not, %d purchases", claimed, cards, used, other, sold)
	}
	return nil
}

// told is what became of the claims and of purchases that were refused on the way.
func (c *crowd) told() string {
	line := func(counts map[string]int) (out string) {
		for _, k := range slices.Sorted(maps.Keys(counts)) {
			out += fmt.Sprintf(" %q %d", k, counts[k])
		}
		return out
	}
	return fmt.Sprintf("claims:%s; sales: %d; asked anew:%s", line(c.answers), len(c.sold), line(c.refused))
}

// last4 fills in what the shop saw of the cards.
func (c *crowd) last4(ctx context.Context) error {
	rows, err := c.pool.Query(ctx, `SELECT p.id::text, right(c.number::text, 4), p.committed_at FROM purchases p JOIN cards c ON c.serial = p.card_serial`)
	if err != nil {
		return err
	}
	seen := map[string]soldSale{}
	var s soldSale
	_, err = pgx.ForEachRow(rows, []any{&s.ID, &s.Last4, &s.At}, func() error {
		seen[s.ID] = s
		return nil
	})
	for i := range c.sold {
		c.sold[i].Last4, c.sold[i].At = seen[c.sold[i].ID].Last4, seen[c.sold[i].ID].At
	}
	return err
}
