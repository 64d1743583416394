package purchase

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"unioncard/merchant"
)

// maxReason is how long a reason may be, in characters.
const maxReason = 200

// DeskOptions of a Desk; all may be zero.
type DeskOptions struct {
	// InFlight says whether a key is being worked on: Committer.InFlight.
	InFlight   func(merchantID, terminalID int64, key string) bool
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Desk looks purchases up and undoes them, each in a transaction that holds the
// purchase's row. Who may: a terminal of the purchase's outlet, or a POS server
// of its merchant, while active; so another terminal stands in for a suspended
// one. Everything else is ErrNotFound. Every undoing is idempotent under its own
// key: the same request again gets the same answer (Replayed), another one
// ErrKeyReused.
type Desk struct {
	db       DB
	inFlight func(merchantID, terminalID int64, key string) bool
	logger   *slog.Logger
	metrics  *prometheus.CounterVec
}

// NewDesk returns a desk.
func NewDesk(db DB, o DeskOptions) *Desk {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.InFlight == nil {
		o.InFlight = func(int64, int64, string) bool { return false }
	}
	return &Desk{db: db, inFlight: o.InFlight, logger: o.Logger, metrics: register(o.Registerer, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "unioncard_undos_total", Help: "Voids, refunds and reversals by outcome."}, []string{"kind", "outcome"}))}
}

// Get returns a purchase as it is now, or ErrNotFound.
func (d *Desk) Get(ctx context.Context, c *Client, id uuid.UUID) (Receipt, error) {
	p, err := purchaseByID(ctx, d.db, c.Terminal.MerchantID, id)
	if err != nil {
		return Receipt{}, err
	}
	if err := p.scope(c.Terminal); err != nil {
		return Receipt{}, err
	}
	return p.receipt(), nil
}

// ByKey returns the purchase under an idempotency key of this client as it is
// now: for a till that lost the answer. ErrKeyReversed for a tombstone,
// ErrKeyInFlight while there is none but this node is working on one.
func (d *Desk) ByKey(ctx context.Context, c *Client, key string) (Receipt, error) {
	if err := CheckKey(key); err != nil {
		return Receipt{}, err
	}
	// Asked first: what is recorded and answered in between is found then.
	inFlight := d.inFlight(c.Terminal.MerchantID, c.Terminal.ID, key)
	p, err := purchaseByKey(ctx, d.db, c.Terminal.MerchantID, c.Terminal.ID, key)
	if inFlight && errors.Is(err, ErrNotFound) {
		return Receipt{}, ErrKeyInFlight
	}
	if err != nil {
		return Receipt{}, err
	}
	if p.state == StateTombstone {
		return Receipt{}, ErrKeyReversed
	}
	if err := p.scope(c.Terminal); err != nil {
		return Receipt{}, err
	}
	return p.receipt(), nil
}

// scope says whether a terminal may see and undo the purchase.
func (p *stored) scope(t *merchant.Terminal) error {
	if p.state == StateTombstone || p.merchant != t.MerchantID || !t.POSServer && p.outlet != t.OutletID {
		return ErrNotFound
	}
	return nil
}

// Void undoes what is left of a purchase on its own business day; later it is
// ErrVoidTooLate, whose fix is a refund.
func (d *Desk) Void(ctx context.Context, c *Client, id uuid.UUID, key, operator, reason string) (UndoAnswer, error) {
	w := &undoWork{client: c, id: id, key: key, operator: operator, reason: reason, kind: kindVoid}
	w.hash = hashUndo(w, 0, nil)
	w.compute = func(s *undoState) (undoing, error) {
		u, err := s.p.undoAll(kindVoid)
		if err == nil && s.today != s.p.day {
			err = ErrVoidTooLate
		}
		return u, err
	}
	return d.undo(ctx, w)
}

// Refund gives money back, by amount or by line: ErrRefundInvalid,
// ErrRefundExceeds, ErrRefundByLineRefused, ErrRefundByAmountRefused,
// ErrPurchaseUndone, and ErrRefundTailOver once the contract's refund tail is
// over.
func (d *Desk) Refund(ctx context.Context, c *Client, id uuid.UUID, key string, req RefundRequest) (UndoAnswer, error) {
	w := &undoWork{client: c, id: id, key: key, operator: req.Operator, reason: req.Reason, kind: kindRefundAmount}
	w.hash = hashUndo(w, req.AmountFen, req.Lines)
	if (req.AmountFen != 0) == (len(req.Lines) > 0) {
		return UndoAnswer{}, ErrRefundInvalid
	}
	w.compute = func(s *undoState) (undoing, error) {
		if len(req.Lines) > 0 {
			return s.p.refundLines(req.Lines, s.doneLines)
		}
		return s.p.refundAmount(req.AmountFen)
	}
	return d.undo(ctx, w)
}

// undoWork is a request to undo.
type undoWork struct {
	client           *Client
	id               uuid.UUID
	key              string // "" for a reversal
	operator, reason string
	kind             int16
	hash             [16]byte
	compute          func(*undoState) (undoing, error)
}

// hashUndo identifies a request for its idempotency key.
func hashUndo(w *undoWork, fen int64, lines []RefundLine) [16]byte {
	b := append([]byte{byte(w.kind)}, w.id[:]...)
	b = appendText(appendText(b, w.operator), w.reason)
	b = binary.AppendVarint(b, fen)
	for _, l := range lines {
		b = binary.AppendVarint(b, int64(l.Line))
		b = binary.AppendVarint(b, l.QtyMilli)
	}
	sum := sha256.Sum256(b)
	return [16]byte(sum[:16])
}

// undo checks the request's form and runs its transaction.
func (d *Desk) undo(ctx context.Context, w *undoWork) (a UndoAnswer, err error) {
	defer func() { d.count(w.kind, err) }()
	if err := errors.Join(CheckKey(w.key), checkText(w.operator, maxText), checkText(w.reason, maxReason)); err != nil {
		return UndoAnswer{}, err
	}
	err = d.inTx(ctx, func(tx pgx.Tx) error {
		var err error
		a, err = d.undoTx(ctx, tx, w)
		return err
	})
	if err != nil {
		return UndoAnswer{}, err
	}
	return a, nil
}

func (d *Desk) count(kind int16, err error) {
	name := [...]string{"", "void", "reversal", "refund", "refund"}[kind]
	outcome := "refused"
	switch {
	case err == nil:
		outcome = "done"
	case outcomeOf(err) == outcomeInternal && !isUndoRefusal(err):
		outcome = "internal"
	}
	d.metrics.WithLabelValues(name, outcome).Inc()
}

func isUndoRefusal(err error) bool {
	for _, e := range []error{ErrVoidTooLate, ErrReversalTooLate, ErrPurchaseUndone, ErrRefundExceeds,
		ErrRefundByLineRefused, ErrRefundByAmountRefused, ErrRefundLineUnknown, ErrRefundInvalid, ErrRefundTailOver, ErrRefundNotAllowed} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// undoTx undoes under the purchase's row lock (Read Committed).
func (d *Desk) undoTx(ctx context.Context, tx pgx.Tx, w *undoWork) (UndoAnswer, error) {
	t := w.client.Terminal
	if err := terminalActive(ctx, tx, t); err != nil {
		return UndoAnswer{}, err
	}
	p, err := purchaseByID(ctx, tx, t.MerchantID, w.id)
	if err != nil {
		return UndoAnswer{}, err
	}
	if err := p.scope(t); err != nil {
		return UndoAnswer{}, err
	}
	s, err := lockUndo(ctx, tx, p)
	if err != nil {
		return UndoAnswer{}, err
	}
	if a, known, err := earlierUndo(ctx, tx, t, w.key, w.hash); known || err != nil {
		return a, err
	}
	if err := mayTakeBack(ctx, tx, t, w.kind); err != nil {
		return UndoAnswer{}, err
	}
	return s.apply(ctx, tx, w)
}

// apply computes the undoing and writes it.
func (s *undoState) apply(ctx context.Context, tx pgx.Tx, w *undoWork) (UndoAnswer, error) {
	u, err := w.compute(s)
	if err != nil {
		return UndoAnswer{}, err
	}
	if s.tailOver && u.kind != kindReversal { // a till's lost answer is no refund
		return UndoAnswer{}, ErrRefundTailOver
	}
	p := s.p
	a := UndoAnswer{
		PurchaseID: p.id, Seq: s.seq, State: u.state, ReturnedFen: u.returned, GivenBackFen: u.givenBack,
		RemainingFen: p.payable() - p.returned - u.returned, Adjustment: s.dayClosed, At: s.now,
	}
	return a, s.write(ctx, tx, w, &u, &a)
}

// undoAnswerJSON is an answer as kept for a replay.
type undoAnswerJSON struct {
	PurchaseID   uuid.UUID `json:"purchase_id"`
	Seq          int       `json:"seq"`
	State        State     `json:"state"`
	ReturnedFen  int64     `json:"returned_fen"`
	GivenBackFen int64     `json:"given_back_fen"`
	RemainingFen int64     `json:"remaining_fen"`
	Adjustment   bool      `json:"adjustment"`
	At           time.Time `json:"at"`
}

func (a *UndoAnswer) marshal() ([]byte, error) {
	return json.Marshal(undoAnswerJSON{a.PurchaseID, a.Seq, a.State, a.ReturnedFen, a.GivenBackFen, a.RemainingFen, a.Adjustment, a.At})
}

func replayedUndo(b []byte) (UndoAnswer, error) {
	var j undoAnswerJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return UndoAnswer{}, fmt.Errorf("purchase: read answer: %w", err)
	}
	return UndoAnswer{j.PurchaseID, j.Seq, j.State, j.ReturnedFen, j.GivenBackFen, j.RemainingFen, j.Adjustment, j.At, true}, nil
}
