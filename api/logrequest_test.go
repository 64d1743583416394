package api

import (
	"bytes"
	"context"
	"log/slog"
	"testing"
	"time"

	"pgregory.net/rapid"

	"unioncard/api/exchange"
	"unioncard/merchant"
)

// TestRequestLogIsSlogs: the record of a request is byte for byte the one that
// slog's own handler would write.
func TestRequestLogIsSlogs(t *testing.T) {
	t.Parallel()
	zones := []*time.Location{time.UTC, time.FixedZone("", 8*3600), time.FixedZone("", -9*3600-1800)}
	rapid.Check(t, func(t *rapid.T) {
		nanos := rapid.OneOf(rapid.Int64Range(0, 999_999_999), rapid.Just(int64(0)),
			rapid.Map(rapid.Int64Range(0, 999), func(ms int64) int64 { return ms * 1_000_000 })).Draw(t, "nanos")
		start := time.Unix(rapid.Int64Range(0, 4_000_000_000).Draw(t, "at"), nanos).In(rapid.SampledFrom(zones).Draw(t, "zone"))
		x := &exchange.Exchange{
			ID: rapid.StringMatching(`[A-Za-z0-9._-]{1,64}`).Draw(t, "id"), Status: rapid.IntRange(100, 599).Draw(t, "status"),
			Outcome: rapid.SampledFrom([]string{"ok", "code_invalid"}).Draw(t, "outcome"), Start: start,
		}
		if id := rapid.Int64().Draw(t, "terminal"); id != 0 {
			x.Terminal = &merchant.Terminal{ID: id}
		}
		now := start.Add(time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "took")))
		var own, general bytes.Buffer
		for out, wrap := range map[*bytes.Buffer]func(*LogWriter) slog.Handler{
			&own:     func(w *LogWriter) slog.Handler { return NewLogHandler(w, slog.LevelInfo) },
			&general: func(w *LogWriter) slog.Handler { return slog.NewJSONHandler(w, nil) },
		} {
			w := NewLogWriter(out)
			newRequestLog(wrap(w), "GET /v1/purchases/:id").write(context.Background(), x, now)
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if own.String() != general.String() || own.Len() == 0 {
			t.Fatalf("got  %swant %s", own.String(), general.String())
		}
	})
}

// TestRequestLogLevel: below info there are no records of requests.
func TestRequestLogLevel(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	w := NewLogWriter(&out)
	newRequestLog(NewLogHandler(w, slog.LevelWarn), "GET /").write(context.Background(), &exchange.Exchange{}, time.Now())
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if out.Len() > 0 {
		t.Errorf("wrote %s", out.String())
	}
}
