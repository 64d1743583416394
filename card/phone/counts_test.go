package phone

import (
	"net/netip"
	"testing"
	"time"
)

var noon = time.Date(2026, 6, 1, 4, 0, 0, 0, time.UTC)

func TestSubjectOf(t *testing.T) {
	t.Parallel()
	of := func(act, addr string) Subject { return subjectOf(act, netip.MustParseAddr(addr)) }
	if of("a", "2001:db8::1") != of("a", "2001:db8::ffff") || of("a", "2001:db8::1") == of("a", "2001:db8:0:1::1") {
		t.Error("a household has a /64")
	}
	if of("a", "192.0.2.1") != of("a", "::ffff:192.0.2.1") || of("a", "192.0.2.1") == of("a", "192.0.2.2") || of("a", "192.0.2.1") == of("b", "192.0.2.1") {
		t.Error("IPv4 addresses stand each for itself, whatever they are written as")
	}
	if subjectOf("a", netip.Addr{}) == of("a", "192.0.2.1") {
		t.Error("no address is one of its own")
	}
}

func TestMemoryCounts(t *testing.T) {
	t.Parallel()
	c := NewMemoryCounts()
	ctx, s := t.Context(), Subject{9}
	for i := range int64(3) {
		if n := c.Add(ctx, s, time.Hour, 1, noon); n != i+1 {
			t.Errorf("%d, want %d", n, i+1)
		}
	}
	if n := c.Add(ctx, s, time.Hour, 0, noon.Add(59*time.Minute)); n != 3 {
		t.Errorf("looked: %d", n)
	}
	if n := c.Add(ctx, s, time.Hour, 0, noon.Add(time.Hour)); n != 0 {
		t.Errorf("an hour later: %d", n)
	}
	if len(c.slots) != 0 {
		t.Errorf("%d windows are kept that are over", len(c.slots))
	}
}
