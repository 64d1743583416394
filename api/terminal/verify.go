package terminal

import (
	"strconv"

	"unioncard/api/exchange"
	"unioncard/api/strictjson"
	"unioncard/merchant/terms"
	"unioncard/settlement/purchase"
)

// Verify answers POST /v1/verifications: is this card good here, and what does
// this basket earn. Reads only.
func (h *Handlers) Verify(x *exchange.Exchange) error {
	w := h.take(x)
	defer h.give(w)
	decodeVerify(&w.reader, &w.verify)
	if err := w.reader.End(); err != nil {
		return err
	}
	if err := h.verifier.Verify(x.Ctx, &w.client, &w.verify, &w.answer); err != nil {
		return err
	}
	x.ContentType = exchange.JSON
	x.Out = appendVerification(x.Out, &w.answer)
	return nil
}

// VerifyBatch answers POST /v1/verifications/batch: up to 1,000 verifications,
// one answer each, in order. A verification that is refused, or whose members
// are not as they should be, is answered for itself; a body that is not JSON is
// refused whole before any code is looked at.
func (h *Handlers) VerifyBatch(x *exchange.Exchange) error {
	w := h.take(x)
	defer h.give(w)
	var b batch
	b.decode(&w.reader)
	if err := w.reader.End(); err != nil {
		return err
	}
	if n := len(b.entries); !b.seen.Has(0) || n == 0 || n > maxBatch {
		return ErrBatchSize
	}
	x.Out = append(x.Out, `{"results":[`...)
	for i := range b.entries {
		if err := x.Ctx.Err(); err != nil {
			return err
		}
		if i > 0 {
			x.Out = append(x.Out, ',')
		}
		h.verifyEntry(x, w, &b.entries[i])
	}
	x.Out = append(x.Out, ']', '}')
	x.ContentType = exchange.JSON
	return nil
}

// verifyEntry appends the answer to one entry of a batch.
func (h *Handlers) verifyEntry(x *exchange.Exchange, w *work, e *entry) {
	err := e.shape
	if err == nil {
		err = h.verifier.Verify(x.Ctx, &w.client, &e.req, &w.answer)
	}
	if err == nil {
		x.Out = append(x.Out, `{"status":200,"verification":`...)
		x.Out = appendVerification(x.Out, &w.answer)
		x.Out = append(x.Out, '}')
		return
	}
	doc, status := x.AppendProblem(nil, err)
	x.Out = append(x.Out, `{"status":`...)
	x.Out = strconv.AppendInt(x.Out, int64(status), 10)
	x.Out = append(x.Out, `,"problem":`...)
	x.Out = append(x.Out, doc...)
	x.Out = append(x.Out, '}')
}

// batch is a decoded batch.
type batch struct {
	seen    strictjson.Seen
	entries []entry
}

// entry is one verification of a batch, and what is wrong with its members.
type entry struct {
	req   purchase.VerifyRequest
	shape error
}

func (b *batch) decode(r *strictjson.Reader) {
	for key := r.Object(); key != nil; key = r.Next() {
		switch string(key) {
		case "verifications":
			r.Once(&b.seen, 0)
			b.decodeEntries(r)
		default:
			r.Unknown()
		}
	}
}

func (b *batch) decodeEntries(r *strictjson.Reader) {
	outer := r.TakeShape()
	b.entries = make([]entry, 0, 64)
	// One slab for all baskets: an entry's items are a part of it.
	items := make([]terms.Item, 0, 256)
	for ok := r.Array(); ok; ok = r.More() {
		if len(b.entries) > maxBatch {
			var rest purchase.VerifyRequest
			decodeVerify(r, &rest)
			continue
		}
		b.entries = append(b.entries, entry{})
		e := &b.entries[len(b.entries)-1]
		e.req.Items = items[len(items):]
		decodeVerify(r, &e.req)
		e.shape = r.TakeShape()
		if used := len(items) + len(e.req.Items); used <= cap(items) {
			items = items[:used]
		} else {
			items = make([]terms.Item, 0, 256)
		}
	}
	r.RestoreShape(outer)
}
