package purchase

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"unioncard/card"
	"unioncard/card/union"
	"unioncard/merchant"
	"unioncard/merchant/terms"
	"unioncard/settlement/budget"
	"unioncard/settlement/budget/voucher"
)

// Numbers leads from a typed card number to its serial and generation, as card.Store
// does: card.ErrCodeInvalid for one that does not exist or was replaced.
type Numbers interface {
	ByNumber(ctx context.Context, number int64) (serial int64, generation uint16, err error)
}

// VerifierOptions is what a Verifier works with. All but Journal, Caps,
// StaleAfter and Registerer are needed.
type VerifierOptions struct {
	Codes     *card.Codes
	Guard     card.Guard
	Bindings  card.Bindings
	Table     *card.Table
	Tree      func() *union.Tree
	Merchants *merchant.State
	Numbers   Numbers
	Journal   *Journal
	Keyring   *card.Keyring
	// Budgets and Vouchers are the view of union money; nil for none.
	Budgets  *budget.State
	Vouchers *voucher.State
	// Age is how old this node's view of cards and contracts is.
	Age   func() time.Duration
	Clock func() time.Time
	Caps  Caps
	// StaleAfter is the age past which there are no quotes; default 30 s.
	StaleAfter time.Duration
	Registerer prometheus.Registerer
}

// DefaultStaleAfter is how old a view may be before it sells nothing any more.
const DefaultStaleAfter = 30 * time.Second

// Verifier answers whether a card is good and what a basket earns. Safe for
// concurrent use.
type Verifier struct {
	VerifierOptions
	checker *card.Checker
	pricer  *pricer
	metrics *verifyMetrics
	typing  typing
}

// NewVerifier returns a verifier.
func NewVerifier(o VerifierOptions) *Verifier {
	if o.StaleAfter == 0 {
		o.StaleAfter = DefaultStaleAfter
	}
	return &Verifier{
		VerifierOptions: o,
		checker:         card.NewChecker(o.Codes, o.Guard, o.Bindings, ErrCodeUsed),
		pricer:          newPricer(o.Keyring, o.Caps, Funds{o.Budgets, o.Vouchers}),
		metrics:         newVerifyMetrics(o.Registerer),
		typing:          newTyping(),
	}
}

// Verify proves a code and prices a basket, without the database but for card
// numbers typed by hand. There is one order of checks:
//
//  1. the client itself: merchant.ErrTerminalSuspended, ErrOutletRequired, and
//     ErrNotFound for an outlet that is not the client's;
//  2. the code's form, whether it may be typed here, the guess budgets:
//     card.ErrCodeFormat, merchant.ErrTypedNotAllowed, card.ErrGuessBlocked,
//     card.ErrTypedBlocked;
//  3. the code: card.ErrCodeInvalid, card.ErrCodeBound, ErrCodeUsed;
//  4. the card: card.ErrCardSuspended and the like;
//  5. the contract: merchant.ErrNoContract and the like;
//  6. the basket: terms.ErrAmount.
//
// So a caller who has not proved a code learns nothing of any card, only about
// itself. Refusals that pass with time come as a *Refusal with RetryAfter;
// among them ErrOverloaded for a typed number while the database is away.
func (v *Verifier) Verify(ctx context.Context, c *Client, req *VerifyRequest, ans *VerifyAnswer) error {
	now := v.Clock()
	ans.reset()
	ans.Age = v.Age()
	err := v.verify(ctx, c, req, ans, now)
	v.metrics.count(err)
	if v.Journal != nil {
		v.Journal.add(c.Terminal.ID, ans, err, now)
	}
	return err
}

func (v *Verifier) verify(ctx context.Context, c *Client, req *VerifyRequest, ans *VerifyAnswer, now time.Time) error {
	t := c.Terminal
	if err := t.Usable(); err != nil {
		return err
	}
	snap := v.Merchants.Snapshot()
	outlet, err := outletOf(snap, t, req.OutletID)
	if err != nil {
		return err
	}
	ans.outletID = outlet.ID
	var e card.Entry
	code, err := v.prove(ctx, c, req.Code, ans, now, &e)
	if err != nil {
		return err
	}
	v.show(ans, &e)
	if err := e.Usable(now); err != nil {
		return err
	}
	contract, err := snap.InForce(outlet.ID, now)
	if err != nil {
		return err
	}
	ans.contractID = contract.ID
	form := contract.TermsAt(now)
	if form == nil {
		return merchant.ErrNoContract
	}
	ans.TermsVersion = form.Version
	if !req.HasAmount && len(req.Items) == 0 {
		return nil
	}
	amount := req.AmountFen
	if !req.HasAmount {
		amount = sum(req.Items)
	}
	if err := terms.CheckBasket(amount, req.Items); err != nil {
		return err
	}
	if ans.Stale = ans.Age > v.StaleAfter; ans.Stale {
		return nil
	}
	v.pricer.quote(&basket{
		terminal: t, outlet: outlet.ID, contract: contract, terms: form,
		holder: terms.Holder{County: e.Territory, City: v.Tree().City(e.Territory), Class: e.Class},
		serial: code.Serial, generation: code.Generation, kind: code.Kind, useKey: code.UseKey(), epoch: code.Epoch,
		amount: amount, items: req.Items, at: now,
	}, ans)
	return nil
}

// prove resolves a code to its card and reads the card's entry.
func (v *Verifier) prove(ctx context.Context, c *Client, text string, ans *VerifyAnswer, now time.Time,
	e *card.Entry) (card.Code, error) {
	subjects := card.Subjects{Terminal: c.Terminal.ID, Outlet: ans.outletID, Addr: c.Addr}
	kind, err := v.Codes.Kind(text)
	if err != nil {
		return card.Code{}, err
	}
	ans.Kind = kind
	if kind == card.KindTyped && !c.Terminal.TypedAllowed {
		return card.Code{}, merchant.ErrTypedNotAllowed
	}
	if kind == card.KindTyped {
		// Whether a number exists is known after the budget was asked: guesses at
		// once would all be let through by a budget that none of them had spent.
		done, err := v.typing.begin(ctx, subjects)
		if err != nil {
			return card.Code{}, err
		}
		defer done()
	}
	verdict := v.checker.Check(ctx, text, subjects, now)
	code := verdict.Code
	ans.serial = code.Serial
	if verdict.Err != nil {
		if verdict.RetryAfter > 0 {
			return code, &Refusal{Err: verdict.Err, RetryAfter: verdict.RetryAfter}
		}
		return code, verdict.Err
	}
	if kind == card.KindTyped {
		serial, generation, err := v.Numbers.ByNumber(ctx, code.Number)
		if errors.Is(err, card.ErrCodeInvalid) {
			v.checker.Miss(text, subjects, now)
			return code, card.ErrCodeInvalid
		}
		if err != nil {
			return code, away(err)
		}
		// The number's own generation, not the view's: a card replaced since has another
		// in the view, with which the old number would buy.
		code.Serial, code.Generation = serial, generation
		ans.serial = serial
	}
	if !v.Table.Get(code.Serial, e) {
		// Only a typed number gets here: of a card so new that the view lacks it.
		return code, card.ErrCodeInvalid
	}
	if kind == card.KindTyped && code.Generation < e.Generation {
		// Replaced since it was looked up. A view behind the lookup is no refusal: the
		// commit holds the generation against the card as stored.
		return code, card.ErrCodeInvalid
	}
	return code, nil
}

// show fills in what a till may see of a card.
func (v *Verifier) show(ans *VerifyAnswer, e *card.Entry) {
	ans.NumberMasked = v.Codes.Mask(e.Last4)
	ans.HolderMasked = e.Holder
	ans.Union = v.Tree().Name(e.Territory)
	ans.ValidUntil = e.AppendValidUntil(ans.ValidUntil[:0])
	ans.CheckHolder = ans.Kind != card.KindPhone
}

// outletOf returns the outlet a client acts in: the one named, else a
// terminal's own. What is not the client's is ErrNotFound.
func outletOf(s *merchant.Snapshot, t *merchant.Terminal, named int64) (*merchant.Outlet, error) {
	id := named
	if id == 0 {
		if t.POSServer {
			return nil, ErrOutletRequired
		}
		id = t.OutletID
	}
	o := s.Outlet(id)
	if t.MayAct(o) != nil {
		return nil, ErrNotFound
	}
	return o, nil
}

func sum(items []terms.Item) (fen int64) {
	for i := range items {
		fen += items[i].AmountFen // may wrap; CheckBasket sees every line again
	}
	return fen
}

// reset forgets all but the memory.
func (a *VerifyAnswer) reset() {
	*a = VerifyAnswer{
		ValidUntil: a.ValidUntil[:0], Token: a.Token[:0],
		Applied: a.Applied[:0], Declined: a.Declined[:0],
	}
}
