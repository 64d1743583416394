package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card"
	"unioncard/card/union/event"
	"unioncard/cmd/unioncard/demo"
	"unioncard/merchant/terms"
)

func eventActor(s string) event.Actor { return event.Actor(s) }

// runCard shows codes and moves cards through their life.
func runCard(ctx context.Context, p *program, args []string) error {
	own := map[string]string{"reason": "", "slot": "0", "count": "10", "offset": "0", "steps": "0", "slots": "0"}
	t, err := openTool(ctx, p, args, own, true)
	if err != nil {
		return err
	}
	defer t.pool.Close()
	if len(t.args) == 0 {
		return wantOneOf(cardUsage)
	}
	codes := card.NewCodes(t.keyring, t.cfg.Prefix, func(int64) (uint16, uint8, bool) { return 0, 0, false })
	if t.args[0] == "codes" && len(t.args) == 1 {
		return t.manyCodes(ctx, codes)
	}
	store := card.NewStore(t.pool, card.StoreOptions{NewNumber: codes.NewNumber})
	c, err := t.cardByNumber(ctx, codes, store)
	if err != nil {
		return err
	}
	now := time.Now()
	switch t.args[0] {
	case "code":
		slot, err := t.number("slot", 0, 1)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(t.stdout, codes.PhoneCode(c.Serial, c.Generation, c.PhoneEpoch, uint8(slot), now))
		return err
	case "printed":
		_, err := fmt.Fprintln(t.stdout, codes.PrintedCode(c.Serial, c.Generation, now))
		return err
	}
	return t.moveCard(ctx, store, c.Serial)
}

func (t *tool) cardByNumber(ctx context.Context, codes *card.Codes, store *card.Store) (card.Card, error) {
	if len(t.args) != 2 {
		return card.Card{}, wantOneOf(cardUsage)
	}
	number, err := codes.CheckNumber(t.args[1])
	if err != nil {
		return card.Card{}, fmt.Errorf("%q is no card number: %w", t.args[1], err)
	}
	serial, _, err := store.ByNumber(ctx, number)
	if err != nil {
		return card.Card{}, err
	}
	return store.Get(ctx, serial)
}

func (t *tool) moveCard(ctx context.Context, store *card.Store, serial int64) error {
	moves := map[string]func(context.Context, card.By, int64) error{
		"lost": store.ReportLost, "found": store.Found, "suspend": store.Suspend, "resume": store.Resume, "cancel": store.Cancel,
		"activate": store.Activate,
		"replace": func(ctx context.Context, by card.By, serial int64) error {
			c, err := store.Replace(ctx, by, serial)
			if err == nil {
				_, err = fmt.Fprintf(t.stdout, "new number %d\n", c.Number)
			}
			return err
		},
	}
	move, ok := moves[t.args[0]]
	if !ok {
		return wantOneOf(cardUsage)
	}
	who, why, err := t.by()
	if err != nil {
		return err
	}
	if err := move(ctx, card.By{Actor: who, Reason: why}, serial); err != nil {
		return err
	}
	_, err = fmt.Fprintf(t.stdout, "card %s: %s done\n", t.args[1], t.args[0])
	return err
}

const stepSeconds = 30

// manyCodes prints, for load tests, the phone codes of many usable cards: serial,
// slot, step and code, separated by tabs.
func (t *tool) manyCodes(ctx context.Context, codes *card.Codes) error {
	count, err := t.number("count", 1, 10_000_000)
	if err != nil {
		return err
	}
	offset, err := t.number("offset", 0, 1<<40)
	if err != nil {
		return err
	}
	steps, err := t.numbers("steps", -1, 1)
	if err != nil {
		return err
	}
	slots, err := t.numbers("slots", 0, 1)
	if err != nil {
		return err
	}
	rows, err := t.pool.Query(ctx, `SELECT serial, generation, phone_epoch FROM cards
		WHERE status = 1 AND valid_until >= current_date ORDER BY serial LIMIT $1 OFFSET $2`, count, offset)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(t.stdout, 1<<16)
	now := time.Now()
	var serial int64
	var generation uint16
	var epoch uint8
	var line []byte
	_, err = pgx.ForEachRow(rows, []any{&serial, &generation, &epoch}, func() error {
		for _, step := range steps {
			at := now.Add(time.Duration(step) * stepSeconds * time.Second)
			for _, slot := range slots {
				line = strconv.AppendInt(line[:0], serial, 10)
				line = append(line, '\t', byte('0'+slot), '\t')
				line = strconv.AppendInt(line, at.Unix()/stepSeconds, 10)
				line = append(line, '\t')
				line = append(line, codes.PhoneCode(serial, generation, epoch, uint8(slot), at)...)
				if _, err := out.Write(append(line, '\n')); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return errors.Join(err, out.Flush())
}

// runDemo lists what load tests and people try the service with.
func runDemo(ctx context.Context, p *program, args []string) error {
	t, err := openTool(ctx, p, args, map[string]string{"count": "10", "trade": ""}, false)
	if err != nil {
		return err
	}
	defer t.pool.Close()
	count, err := t.number("count", 1, 1_000_000)
	if err != nil {
		return err
	}
	switch {
	case len(t.args) == 1 && t.args[0] == "outlets":
		return t.demoOutlets(ctx, count)
	case len(t.args) == 1 && t.args[0] == "cards":
		return t.demoCards(ctx, count)
	}
	return wantOneOf(demoUsage)
}

// sampleItem is one line of a basket as the API takes it.
type sampleItem struct {
	SKU          string `json:"sku"`
	Category     string `json:"category"`
	QtyMilli     int64  `json:"qty_milli"`
	UnitPriceFen int64  `json:"unit_price_fen"`
	AmountFen    int64  `json:"amount_fen"`
}

func sample(items []terms.Item) ([]byte, error) {
	out := make([]sampleItem, len(items))
	for i, it := range items {
		out[i] = sampleItem(it)
	}
	return json.Marshal(out)
}

// demoOutlets prints outlets with a contract in force, of different merchants as
// far as there are: outlet, merchant, trade and a basket, separated by tabs.
func (t *tool) demoOutlets(ctx context.Context, count int64) error {
	rows, err := t.pool.Query(ctx, `SELECT o.id, o.merchant_id, c.trade FROM outlets o
		JOIN contract_outlets co ON co.outlet_id = o.id AND co.during @> clock_timestamp()
		JOIN contracts c ON c.id = co.contract_id AND c.status = 'active'
		WHERE o.status = 'active' AND ($2 = '' OR c.trade = $2)
		ORDER BY row_number() OVER (PARTITION BY o.merchant_id ORDER BY o.id), o.id LIMIT $1`, count, t.own["trade"])
	if err != nil {
		return err
	}
	var outlet, merchantID int64
	var trade string
	_, err = pgx.ForEachRow(rows, []any{&outlet, &merchantID, &trade}, func() error {
		basket, err := sample(demo.Basket(trade))
		if err == nil {
			_, err = fmt.Fprintf(t.stdout, "%d\t%d\t%s\t%s\n", outlet, merchantID, trade, basket)
		}
		return err
	})
	return err
}

// demoCards prints card numbers with their status and masked holder.
func (t *tool) demoCards(ctx context.Context, count int64) error {
	rows, err := t.pool.Query(ctx, `SELECT number, status, name_masked FROM cards ORDER BY serial LIMIT $1`, count)
	if err != nil {
		return err
	}
	var number int64
	var status card.Status
	var name string
	_, err = pgx.ForEachRow(rows, []any{&number, &status, &name}, func() error {
		_, err := fmt.Fprintf(t.stdout, "%d\t%s\t%s\n", number, status, name)
		return err
	})
	return err
}
