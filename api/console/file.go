package console

import (
	"unioncard/api/exchange"
	"unioncard/card/union/staff"
	"unioncard/merchant"
)

// File answers GET /console/files/:id with an attachment. What is personal needs
// staff.ReadPersonal besides.
func (h *Handlers) File(x *exchange.Exchange) error { return h.sendFile(x, false) }

// FileImage answers GET /console/files/:id/image: an image that was encoded here,
// for a page. Anything else is not found.
func (h *Handlers) FileImage(x *exchange.Exchange) error { return h.sendFile(x, true) }

func (h *Handlers) sendFile(x *exchange.Exchange, inline bool) error {
	id, err := x.ID64("id")
	if err != nil {
		return err
	}
	f, data, err := h.Files.Get(x.Ctx, id)
	if err != nil {
		return err
	}
	if f.Personal() && !x.Account.May(staff.ReadPersonal) {
		return exchange.ErrForbidden
	}
	if inline && !f.Media.Image() {
		return merchant.ErrNotFound
	}
	for name, value := range f.Headers(inline) {
		x.SetHeader(name, value)
	}
	x.ContentType = []string{string(f.Media)}
	x.Out = append(x.Out[:0], data...)
	return nil
}
