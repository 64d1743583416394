package merchant_test

import (
	"errors"
	"testing"
	"time"

	"unioncard/merchant"
)

func TestCategories(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ownTx(t))
	c := w.draft(w.merchant(""), 0, w.county, false)
	doc := []byte(`{"v":1,"offers":[{"id":"noodles","title":"烩面九折","scope":{"categories":["test.noodles"]},
		"benefit":{"kind":"percent","rate_bp":9000},"funding_bp":10000}]}`)
	var invalid *merchant.InvalidError
	publish := func() error { _, err := w.store.PublishTerms(w.ctx, by, c, doc, time.Time{}); return err }
	if err := publish(); !errors.As(err, &invalid) {
		t.Errorf("unknown category: %v", err)
	}
	first, err := w.store.PublishCategories(w.ctx, by, []merchant.Category{{Code: "test.noodles", Name: "烩面"}, {Code: "test.tea", Name: "茶"}}, nil)
	w.must(err)
	w.must(publish())
	second, err := w.store.PublishCategories(w.ctx, by, nil, []string{"test.noodles"})
	w.must(err)
	all, list, err := w.store.Categories(w.ctx)
	w.must(err)
	if second != first+1 || list != second || len(all) != 1 || all[0].Code != "test.tea" {
		t.Errorf("version %d after %d: %v", list, first, all)
	}
	if err := publish(); !errors.As(err, &invalid) {
		t.Errorf("retired category: %v", err)
	}
	if _, err := w.store.PublishCategories(w.ctx, by, nil, []string{"test.noodles"}); !errors.As(err, &invalid) {
		t.Errorf("retired twice: %v", err)
	}
	if _, err := w.store.PublishCategories(w.ctx, by, []merchant.Category{{Code: "Noodles", Name: "烩面"}}, nil); !errors.As(err, &invalid) {
		t.Errorf("malformed: %v", err)
	}
}
