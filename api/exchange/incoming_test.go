package exchange_test

import (
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"unioncard/api/exchange"
)

// TestParts reads a streamed form in order, and what can be wrong with one.
func TestParts(t *testing.T) {
	t.Parallel()
	const good = "--b\r\nContent-Disposition: form-data; name=\"union_id\"\r\n\r\n12\r\n" +
		"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x.csv\"\r\n\r\nabc\r\n--b--\r\n"
	const media = "multipart/form-data; boundary=b"
	for name, c := range map[string]struct {
		media, body string
		limit       int64
		want        error
	}{
		"good":          {media, good, 1000, nil},
		"no boundary":   {"multipart/form-data", good, 1000, exchange.ErrForm},
		"not multipart": {media, "union_id=12", 1000, exchange.ErrForm},
		"half a file":   {media, good[:len(good)-9], 1000, exchange.ErrForm},
		"too large":     {media, good, 100, exchange.ErrBodyTooLarge},
		"many parts":    {media, strings.Repeat("--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n1\r\n", 30) + "--b--\r\n", 10_000, exchange.ErrForm},
		"not text":      {media, strings.Replace(good, "12", "\xff\x00", 1), 1000, exchange.ErrForm},
		"a long field":  {media, strings.Replace(good, "12", strings.Repeat("1", 200), 1), 1000, exchange.ErrForm},
	} {
		req := httptest.NewRequest("POST", "/", strings.NewReader(c.body))
		req.Header.Set("Content-Type", c.media)
		got, err := readParts(newExchange(req), c.limit)
		if !errors.Is(err, c.want) || err == nil && got != "union_id=12 file=abc " {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func readParts(x *exchange.Exchange, limit int64) (got string, err error) {
	parts, err := x.Parts(limit)
	if err != nil {
		return "", err
	}
	for {
		p, err := parts.Next()
		if errors.Is(err, io.EOF) {
			return got, nil
		}
		if err != nil {
			return "", err
		}
		text := ""
		if p.FileName() == "" {
			if text, err = parts.Text(p, 100); err != nil {
				return "", err
			}
		} else {
			b, err := io.ReadAll(p)
			if parts.Failed() != nil {
				return "", parts.Failed()
			}
			if err != nil {
				return "", exchange.ErrForm
			}
			text = string(b)
		}
		got += p.FormName() + "=" + text + " "
	}
}
