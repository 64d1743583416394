package terms

import (
	"errors"
	"fmt"
)

// ErrAmount is wrapped by every refusal of a basket.
var ErrAmount = errors.New("amount invalid")

// Item is one line of a basket. The till's AmountFen decides; quantity and unit
// price must agree with it to the fen.
type Item struct {
	// SKU and Category may be empty: unknown.
	SKU, Category string
	// QtyMilli is the quantity in thousandths of a unit, litre or kilo.
	QtyMilli int64
	// UnitPriceFen is the price of one whole unit in fen.
	UnitPriceFen int64
	// AmountFen is the line's price in fen before any discount.
	AmountFen int64
}

// MaxQtyMilli is the largest quantity of a line: a million units.
const MaxQtyMilli = 1_000_000_000

// CheckBasket refuses with ErrAmount what is no basket: an amount outside 1 to
// MaxBasketFen, more than MaxItems lines, a line outside 0 to MaxBasketFen or
// more than 1 fen off quantity times unit price, lines that do not add up to
// the amount exactly. Without items the amount alone is checked.
func CheckBasket(amountFen int64, items []Item) error {
	if amountFen < 1 || amountFen > MaxBasketFen {
		return fmt.Errorf("%w: amount %d fen is not 1 to %d", ErrAmount, amountFen, MaxBasketFen)
	}
	if len(items) > MaxItems {
		return fmt.Errorf("%w: %d lines are more than %d", ErrAmount, len(items), MaxItems)
	}
	var sum int64
	for i := range items {
		if err := items[i].check(); err != nil {
			return fmt.Errorf("%w: line %d: %w", ErrAmount, i+1, err)
		}
		sum += items[i].AmountFen
	}
	if len(items) > 0 && sum != amountFen {
		return fmt.Errorf("%w: lines add up to %d fen, the amount is %d", ErrAmount, sum, amountFen)
	}
	return nil
}

func (it *Item) check() error {
	switch {
	case it.AmountFen < 0 || it.AmountFen > MaxBasketFen:
		return fmt.Errorf("amount %d fen is not 0 to %d", it.AmountFen, MaxBasketFen)
	case it.QtyMilli < 1 || it.QtyMilli > MaxQtyMilli:
		return fmt.Errorf("quantity %d thousandths is not 1 to %d", it.QtyMilli, MaxQtyMilli)
	case it.UnitPriceFen < 0 || it.UnitPriceFen > MaxBasketFen:
		return fmt.Errorf("unit price %d fen is not 0 to %d", it.UnitPriceFen, MaxBasketFen)
	}
	// The product is at most 1e9 * 1e8 = 1e17: no overflow.
	off := it.AmountFen*milli - it.QtyMilli*it.UnitPriceFen
	if off > milli || off < -milli {
		return fmt.Errorf("amount %d fen is more than 1 fen off quantity times unit price", it.AmountFen)
	}
	return nil
}
