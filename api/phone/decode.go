package phone

import (
	"encoding/base64"
	"strings"

	"unioncard/api/exchange"
	"unioncard/api/strictjson"
	"unioncard/card/personal"
	"unioncard/card/phone"
)

// reads is what a body may hold: a name, how its value is read, and whether it must
// be there.
type reads struct {
	name string
	read func(*strictjson.Reader)
	must bool
}

// decode reads a body that is one flat object. Strings are copied, as the body is
// used again.
func decode(x *exchange.Exchange, members ...reads) error {
	var r strictjson.Reader
	r.Reset(x.Body)
	var seen strictjson.Seen
object:
	for key := r.Object(); key != nil; key = r.Next() {
		for i, m := range members {
			if string(key) == m.name {
				r.Once(&seen, uint(i))
				m.read(&r)
				continue object
			}
		}
		r.Unknown()
	}
	for i, m := range members {
		if m.must {
			r.Require(seen, uint(i), m.name)
		}
	}
	return r.End()
}

func text(name string, to *string, must bool) reads {
	return reads{name, func(r *strictjson.Reader) { *to = strings.Clone(r.String()) }, must}
}

func truth(name string, to *bool) reads {
	return reads{name, func(r *strictjson.Reader) { *to = r.Bool() }, false}
}

func number(name string, to *int64) reads {
	return reads{name, func(r *strictjson.Reader) { *to = r.Int() }, true}
}

// mobile reads a number as people type it. phone.ErrNumber.
func mobile(s string) (string, error) {
	n, err := personal.ParsePhone(s)
	if err != nil {
		return "", phone.ErrNumber
	}
	return n, nil
}

// signature reads a proof; what can't be one proves nothing.
func signature(s string) []byte {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return nil
	}
	return b
}
