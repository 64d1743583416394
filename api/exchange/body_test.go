package exchange_test

import (
	"bytes"
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"unioncard/api/exchange"
)

// TestBodyTakesMemoryAsItArrives: a large body announced and not sent holds no
// more than a small buffer; one that is sent arrives whole.
func TestBodyTakesMemoryAsItArrives(t *testing.T) {
	t.Parallel()
	const limit = 4 << 20
	req := httptest.NewRequest("POST", "/", io.MultiReader(strings.NewReader("{"), iotest.ErrReader(io.ErrUnexpectedEOF)))
	req.ContentLength = limit
	x := newExchange(req)
	if err := x.ReadBody(limit); !errors.Is(err, exchange.ErrBodyLost) {
		t.Errorf("half a body: %v", err)
	}
	if cap(x.Body) > 64<<10 {
		t.Errorf("1 byte came and %d are held for it", cap(x.Body))
	}

	whole := bytes.Repeat([]byte("0123456789abcdef"), limit/16)
	for _, declared := range []int64{limit, -1} {
		for name, body := range map[string]io.Reader{"at once": bytes.NewReader(whole), "in halves": iotest.HalfReader(bytes.NewReader(whole))} {
			req := httptest.NewRequest("POST", "/", body)
			req.ContentLength = declared
			x := newExchange(req)
			if err := x.ReadBody(limit); err != nil || !bytes.Equal(x.Body, whole) {
				t.Errorf("%s, declared %d: %v, %d bytes", name, declared, err, len(x.Body))
			}
			if cap(x.Body) > 3*limit {
				t.Errorf("%s, declared %d: %d bytes are held", name, declared, cap(x.Body))
			}
		}
	}
}
