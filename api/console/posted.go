package console

import "unioncard/api/exchange"

// posted is a form that was sent to the address of an object, and the object.
func posted[T any](x *exchange.Exchange, object func(*exchange.Exchange) (T, error)) (form *exchange.Form, o T, err error) {
	if form, err = x.Form(); err != nil {
		return nil, o, err
	}
	o, err = object(x)
	return form, o, err
}

// idOf is the object's id in the address.
func idOf(x *exchange.Exchange) (int64, error) { return x.ID64("id") }
