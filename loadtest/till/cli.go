// Package till plays the tills of other people: it gets activation codes and phone
// codes by running the unioncard program, and speaks the public Terminal API.
// It shares no code with the service, so a misunderstanding shows.
package till

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// CLI runs the unioncard program against a data directory.
type CLI struct {
	Program string
	Data    string
	// Flags are appended to every call, such as another database's address.
	Flags []string
}

func (c CLI) output(ctx context.Context, args ...string) ([]byte, error) {
	args = append(args, "--data", c.Data)
	cmd := exec.CommandContext(ctx, c.Program, append(args, c.Flags...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("unioncard %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.Bytes(), nil
}

// ActivationCode issues a terminal's one-time activation code (15 min).
func (c CLI) ActivationCode(ctx context.Context, outlet string) (string, error) {
	out, err := c.output(ctx, "terminal", "activation-code", outlet)
	if err != nil {
		return "", err
	}
	// The code is the first word of the first line; what follows is for people.
	if f := strings.Fields(string(out)); len(f) > 0 {
		return f[0], nil
	}
	return "", fmt.Errorf("unioncard terminal activation-code %s: printed nothing", outlet)
}

// Code is a phone code that is accepted now.
type Code struct {
	Serial string
	Slot   int
	Step   int64 // 30 s step the code belongs to
	Text   string
}

// Codes asks for the phone codes of count cards from offset on. steps are relative
// to the present 30 s step (-1, 0, 1).
func (c CLI) Codes(ctx context.Context, offset, count int, steps, slots []int) ([]Code, error) {
	out, err := c.output(ctx, "card", "codes", "--count", strconv.Itoa(count), "--offset", strconv.Itoa(offset),
		"--steps", joinInts(steps), "--slots", joinInts(slots))
	if err != nil {
		return nil, err
	}
	return parseCodes(out)
}

func joinInts(ns []int) string {
	parts := make([]string, len(ns))
	for i, n := range ns {
		parts[i] = strconv.Itoa(n)
	}
	return strings.Join(parts, ",")
}

// parseCodes reads lines of serial, slot, step and code, separated by tabs.
func parseCodes(out []byte) ([]Code, error) {
	var codes []Code
	sc := bufio.NewScanner(bytes.NewReader(out))
	for sc.Scan() {
		f := strings.Split(sc.Text(), "\t")
		if len(f) != 4 {
			return nil, fmt.Errorf("card codes: line %q", sc.Text())
		}
		slot, err := strconv.Atoi(f[1])
		if err != nil {
			return nil, fmt.Errorf("card codes: slot in %q", sc.Text())
		}
		step, err := strconv.ParseInt(f[2], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("card codes: step in %q", sc.Text())
		}
		codes = append(codes, Code{Serial: f[0], Slot: slot, Step: step, Text: f[3]})
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("card codes: %w", err)
	}
	return codes, nil
}

// Item is one line of a basket. Money is in fen, quantity in thousandths.
type Item struct {
	SKU          string `json:"sku,omitempty"`
	Category     string `json:"category,omitempty"`
	QtyMilli     int64  `json:"qty_milli"`
	UnitPriceFen int64  `json:"unit_price_fen"`
	AmountFen    int64  `json:"amount_fen"`
}

// Outlet is a shop of the demo with a basket it could sell.
type Outlet struct {
	ID, Merchant, Trade string
	Basket              []Item
}

// Outlets lists demo outlets with a contract in force.
func (c CLI) Outlets(ctx context.Context, count int) ([]Outlet, error) {
	out, err := c.output(ctx, "demo", "outlets", "--count", strconv.Itoa(count))
	if err != nil {
		return nil, err
	}
	return parseOutlets(out)
}

// parseOutlets reads lines of outlet, merchant, trade and basket, separated by
// tabs; the basket is an array of items, or an object that holds one.
func parseOutlets(out []byte) ([]Outlet, error) {
	var outlets []Outlet
	sc := bufio.NewScanner(bytes.NewReader(out))
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		f := strings.SplitN(sc.Text(), "\t", 4)
		if len(f) != 4 {
			return nil, fmt.Errorf("demo outlets: line %q", sc.Text())
		}
		o := Outlet{ID: f[0], Merchant: f[1], Trade: f[2]}
		var err error
		if strings.HasPrefix(f[3], "[") {
			err = json.Unmarshal([]byte(f[3]), &o.Basket)
		} else {
			var body struct {
				Items []Item `json:"items"`
			}
			err = json.Unmarshal([]byte(f[3]), &body)
			o.Basket = body.Items
		}
		if err != nil || len(o.Basket) == 0 {
			return nil, fmt.Errorf("demo outlets: basket of %s: %q: %w", o.ID, f[3], err)
		}
		outlets = append(outlets, o)
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("demo outlets: %w", err)
	}
	return outlets, nil
}

// FiveLines makes the basket exactly five lines long, repeating or dropping lines.
func FiveLines(basket []Item) []Item {
	five := make([]Item, 5)
	for i := range five {
		five[i] = basket[i%len(basket)]
	}
	return five
}

// Total is the amount of a basket in fen.
func Total(basket []Item) int64 {
	var sum int64
	for _, it := range basket {
		sum += it.AmountFen
	}
	return sum
}
