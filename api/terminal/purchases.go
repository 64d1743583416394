package terminal

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/google/uuid"

	"unioncard/api/exchange"
	"unioncard/api/strictjson"
	"unioncard/merchant/terms"
	"unioncard/settlement/purchase"
)

// own makes a reader over a copy of the body. What is written outlives the
// request in the committer's queue, so its strings must not be views of a
// buffer that is used again.
func own(x *exchange.Exchange) *strictjson.Reader {
	r := new(strictjson.Reader)
	r.Reset(slices.Clone(x.Body))
	return r
}

func client(x *exchange.Exchange) *purchase.Client {
	return &purchase.Client{Terminal: x.Terminal, Addr: x.Addr}
}

// Purchase answers POST /v1/purchases: records a quoted purchase, once for its
// Idempotency-Key.
func (h *Handlers) Purchase(x *exchange.Exchange) error {
	key, err := x.IdempotencyKey()
	if err != nil {
		return err
	}
	req := purchase.CommitRequest{Key: key}
	r := own(x)
	decodeCommit(r, &req)
	if err := r.End(); err != nil {
		return err
	}
	receipt, err := h.committer.Commit(x.Ctx, client(x), &req)
	if err != nil {
		return err
	}
	x.Status = http.StatusCreated
	x.SetHeader("Location", "/v1/purchases/"+receipt.ID.String())
	return sendReceipt(x, &receipt)
}

// PurchaseByID answers GET /v1/purchases/{id}.
func (h *Handlers) PurchaseByID(x *exchange.Exchange) error {
	id, err := pathID(x)
	if err != nil {
		return err
	}
	receipt, err := h.desk.Get(x.Ctx, client(x), id)
	if err != nil {
		return err
	}
	return sendReceipt(x, &receipt)
}

// PurchaseByKey answers GET /v1/purchases?key=, for a till that lost the answer.
func (h *Handlers) PurchaseByKey(x *exchange.Exchange) error {
	query, err := url.ParseQuery(x.Gin.Request.URL.RawQuery)
	if err != nil || len(query) != 1 || len(query["key"]) != 1 {
		return exchange.ErrQuery
	}
	key := query.Get("key")
	if err := exchange.CheckKey(key); err != nil {
		return err
	}
	receipt, err := h.desk.ByKey(x.Ctx, client(x), key)
	if err != nil {
		return err
	}
	return sendReceipt(x, &receipt)
}

// Void answers POST /v1/purchases/{id}/void: undoes the whole purchase on its
// business day.
func (h *Handlers) Void(x *exchange.Exchange) error {
	id, key, err := undoTarget(x)
	if err != nil {
		return err
	}
	r := own(x)
	operator, reason := decodeVoid(r)
	if err := r.End(); err != nil {
		return err
	}
	if err := checkWho(operator, reason); err != nil {
		return err
	}
	answer, err := h.desk.Void(x.Ctx, client(x), id, key, operator, reason)
	if err != nil {
		return err
	}
	return sendUndo(x, http.StatusOK, &answer)
}

// Refund answers POST /v1/purchases/{id}/refunds: gives back money by amount or
// by line.
func (h *Handlers) Refund(x *exchange.Exchange) error {
	id, key, err := undoTarget(x)
	if err != nil {
		return err
	}
	var req purchase.RefundRequest
	r := own(x)
	byAmount := decodeRefund(r, &req)
	if err := r.End(); err != nil {
		return err
	}
	if err := checkWho(req.Operator, req.Reason); err != nil {
		return err
	}
	if err := checkRefund(&req, byAmount); err != nil {
		return err
	}
	answer, err := h.desk.Refund(x.Ctx, client(x), id, key, req)
	if err != nil {
		return err
	}
	return sendUndo(x, http.StatusCreated, &answer)
}

// checkWho refuses an undoing that names nobody or no reason in so many blanks.
func checkWho(operator, reason string) error {
	if strings.TrimSpace(operator) == "" || strings.TrimSpace(reason) == "" {
		return purchase.ErrTextInvalid
	}
	return nil
}

// checkRefund refuses what the domain's zero values could not tell apart.
func checkRefund(req *purchase.RefundRequest, byAmount bool) error {
	switch {
	case byAmount == (len(req.Lines) > 0):
		return purchase.ErrRefundInvalid
	case byAmount && req.AmountFen <= 0:
		return terms.ErrAmount
	}
	for _, line := range req.Lines {
		if line.QtyMilli < 0 {
			return terms.ErrAmount
		}
	}
	return nil
}

// Reverse answers POST /v1/reversals: after it, the purchase under the key is
// undone or can never come into being. It is idempotent by that key.
func (h *Handlers) Reverse(x *exchange.Exchange) error {
	r := own(x)
	key := decodeReversal(r)
	if err := r.End(); err != nil {
		return err
	}
	if err := exchange.CheckKey(key); err != nil {
		return err
	}
	answer, err := h.desk.Reverse(x.Ctx, client(x), key)
	if err != nil {
		return err
	}
	markReplay(x, answer.Replayed)
	x.ContentType = exchange.JSON
	x.Out = appendReversal(x.Out, key, &answer)
	return nil
}

// undoTarget reads the purchase's id and the undo's own Idempotency-Key.
func undoTarget(x *exchange.Exchange) (id uuid.UUID, key string, err error) {
	if key, err = x.IdempotencyKey(); err != nil {
		return id, "", err
	}
	id, err = pathID(x)
	return id, key, err
}

// pathID reads the id in the address. What is no UUID names no purchase.
func pathID(x *exchange.Exchange) (uuid.UUID, error) {
	text := x.Gin.Param("id")
	if len(text) != 36 {
		return uuid.Nil, purchase.ErrNotFound
	}
	id, err := uuid.Parse(text)
	if err != nil {
		return uuid.Nil, purchase.ErrNotFound
	}
	return id, nil
}

func sendReceipt(x *exchange.Exchange, receipt *purchase.Receipt) error {
	markReplay(x, receipt.Replayed)
	x.ContentType = exchange.JSON
	x.Out = appendReceipt(x.Out, receipt)
	return nil
}

func sendUndo(x *exchange.Exchange, status int, answer *purchase.UndoAnswer) error {
	markReplay(x, answer.Replayed)
	x.Status = status
	x.ContentType = exchange.JSON
	x.Out = appendUndo(x.Out, answer)
	return nil
}

// markReplay says that this is an earlier answer given again.
func markReplay(x *exchange.Exchange, replayed bool) {
	if replayed {
		x.SetHeader("Idempotency-Replayed", "true")
	}
}
