package portal

import (
	"errors"
	"testing"
)

// TestExportPlaces: a merchant's own exports leave places to others, and a place given
// back is one again.
func TestExportPlaces(t *testing.T) {
	t.Parallel()
	p := &places{of: map[int64]int{}}
	var give func()
	for range exportingOne {
		var err error
		if give, err = p.take(1); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.take(1); !errors.Is(err, ErrExporting) {
		t.Errorf("one more of one merchant: %v", err)
	}
	for n := int64(exportingOne); n < exporting; n++ {
		if _, err := p.take(100 + n); err != nil {
			t.Fatalf("another merchant: %v", err)
		}
	}
	if _, err := p.take(2); !errors.Is(err, ErrExporting) {
		t.Errorf("one more than a node writes: %v", err)
	}
	give()
	if _, err := p.take(1); err != nil {
		t.Errorf("given back: %v", err)
	}
}
