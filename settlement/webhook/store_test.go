package webhook_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"unioncard/merchant"
	"unioncard/settlement/webhook"
)

// hasty is a sender that waits a moment for an answer.
func (w *world) hasty(r *target) *webhook.Sender { return webhook.Hasty(w.sender(r)) }

// run runs a sender until something has arrived.
func (w *world) run(s *webhook.Sender, arrived <-chan struct{}) {
	w.t.Helper()
	ctx, stop := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	select {
	case <-arrived:
	case <-time.After(time.Minute):
		w.t.Error("nothing arrived")
	}
	stop()
	w.must(<-done)
}

// TestForms: what is refused, at which field.
func TestForms(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	strict := webhook.NewStore(w.pool, webhook.Options{Vault: vault(), Clock: w.clock.Now})
	good := webhook.Draft{Name: "收银", URL: "https://pos.example.com/", Events: []string{"purchase.committed", "made.up"}}
	for field, change := range map[string]func(*webhook.Draft){
		"":       func(*webhook.Draft) {},
		"name":   func(d *webhook.Draft) { d.Name = strings.Repeat("长", 41) },
		"url":    func(d *webhook.Draft) { d.URL = "http://pos.example.com/" },
		"events": func(d *webhook.Draft) { d.Events = []string{"made.up"} },
	} {
		d := good
		change(&d)
		_, _, err := strict.Create(t.Context(), by, 1, d)
		var faults merchant.FieldErrors
		if errors.As(err, &faults) != (field != "") || field != "" && faults.On(field) == "" || field == "" && err != nil {
			t.Errorf("%q: %v", field, err)
		}
	}
	if n := count[int](w, `SELECT count(*) FROM webhook_endpoints WHERE events = '{purchase.committed}'`); n != 1 {
		t.Errorf("%d endpoints", n)
	}
}

// TestOthers: another merchant's endpoint and message are not there, whatever is
// done to them.
func TestOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	id, _ := w.endpoint(1, "https://pos.example.com/")
	mine, _ := w.endpoint(2, "https://pos.example.com/")
	message, err := w.store.Test(ctx, by, 1, id)
	w.must(err)
	d := webhook.Draft{Name: "x", URL: "https://pos.example.com/", Events: allEvents()}
	for name, do := range map[string]func() error{
		"get":        func() error { _, err := w.store.Get(ctx, 2, id); return err },
		"edit":       func() error { return w.store.Edit(ctx, by, 2, id, 1, d) },
		"rotate":     func() error { _, err := w.store.Rotate(ctx, by, 2, id, 1, true); return err },
		"pause":      func() error { return w.store.Pause(ctx, by, 2, id, 1) },
		"resume":     func() error { return w.store.Resume(ctx, by, 2, id, 1, true) },
		"delete":     func() error { return w.store.Delete(ctx, by, 2, id, 1) },
		"log":        func() error { _, _, err := w.store.Log(ctx, 2, id, webhook.Filter{}); return err },
		"message":    func() error { _, _, err := w.store.Message(ctx, 2, id, message); return err },
		"by another": func() error { _, _, err := w.store.Message(ctx, 2, mine, message); return err },
		"resend":     func() error { return w.store.Resend(ctx, by, 2, id, message) },
		"resend 2":   func() error { return w.store.Resend(ctx, by, 2, mine, message) },
		"test":       func() error { _, err := w.store.Test(ctx, by, 2, id); return err },
		"create":     func() error { _, _, err := w.store.Create(ctx, by, 3, d); return err },
	} {
		if err := do(); !errors.Is(err, merchant.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestChanges: versions, states, and the event of each.
func TestChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	id, _ := w.endpoint(1, "https://pos.example.com/")
	is := func(step string, err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", step, err, want)
		}
	}
	is("resume an active one", w.store.Resume(ctx, by, 1, id, 1, false), webhook.ErrState)
	is("pause", w.store.Pause(ctx, by, 1, id, 1), nil)
	is("an old version", w.store.Pause(ctx, by, 1, id, 1), webhook.ErrConflict)
	is("pause again", w.store.Pause(ctx, by, 1, id, 2), webhook.ErrState)
	_, err := w.store.Test(ctx, by, 1, id)
	is("test a paused one", err, webhook.ErrState)
	is("edit", w.store.Edit(ctx, by, 1, id, 2, webhook.Draft{Name: "新", URL: "https://b.example.com/", Events: []string{"purchase.voided"}}), nil)
	is("resume", w.store.Resume(ctx, by, 1, id, 3, true), nil)
	if e := w.get(id); e.Name != "新" || e.State != webhook.Active || e.Version != 4 {
		t.Errorf("endpoint %+v", e)
	}
	_, err = w.store.Test(ctx, by, 1, id)
	is("test", err, nil)
	is("delete", w.store.Delete(ctx, by, 1, id, 4), nil)
	_, err = w.store.Get(ctx, 1, id)
	is("get a deleted one", err, merchant.ErrNotFound)
	if n := count[int](w, `SELECT count(*) FROM webhook_messages WHERE state = 4`); n != 1 {
		t.Errorf("%d messages dropped", n)
	}
	got := count[string](w, `SELECT string_agg(action, ' ' ORDER BY id) FROM events`)
	if want := "webhook.create webhook.pause webhook.edit webhook.resume webhook.test webhook.delete"; got != want {
		t.Errorf("events %s", got)
	}
	if n := count[int](w, `SELECT count(*) FROM events WHERE before::text LIKE '%example.com%' OR after::text LIKE '%example.com%'`); n != 0 {
		t.Errorf("%d events hold an address", n)
	}
}

// TestMaxEndpoints: many at once are not one too many.
func TestMaxEndpoints(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var made, refused atomic.Int32
	var all sync.WaitGroup
	for range 9 {
		all.Go(func() {
			_, _, err := w.store.Create(t.Context(), by, 1, webhook.Draft{Name: "x", URL: "https://pos.example.com/", Events: allEvents()})
			switch {
			case err == nil:
				made.Add(1)
			case errors.Is(err, webhook.ErrTooMany):
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if made.Load() != webhook.MaxEndpoints || refused.Load() != 9-webhook.MaxEndpoints {
		t.Errorf("%d made, %d refused", made.Load(), refused.Load())
	}
}

// TestPrune: what is done goes after a month, what waits stays.
func TestPrune(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := newTarget(t, nil)
	id, _ := w.endpoint(1, r.URL)
	_, err := w.store.Test(t.Context(), by, 1, id)
	w.must(err)
	w.turn(w.sender(r))
	_, err = w.store.Rotate(t.Context(), by, 1, id, 1, false)
	w.must(err)
	w.clock.add(29 * 24 * time.Hour)
	_, err = w.store.Test(t.Context(), by, 1, id)
	w.must(err)
	n, err := w.store.Prune(t.Context())
	w.must(err)
	if n != 0 || w.get(id).OldUntil != nil {
		t.Errorf("%d pruned, %+v", n, w.get(id))
	}
	w.clock.add(2 * 24 * time.Hour)
	n, err = w.store.Prune(t.Context())
	w.must(err)
	if n != 1 || count[int](w, `SELECT count(*) FROM webhook_attempts`) != 0 || w.get(id).Waiting != 1 {
		t.Errorf("%d pruned", n)
	}
}
