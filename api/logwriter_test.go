package api

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestLogWriterFlushesInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out lines
		w := NewLogWriter(&out)
		fmt.Fprintln(w, "one")
		if out.String() != "" {
			t.Error("written at once")
		}
		time.Sleep(logEvery + time.Millisecond) // the bubble's clock
		if out.String() != "one\n" {
			t.Errorf("after %v: %q", logEvery, out.String())
		}
		fmt.Fprintln(w, "two")
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if out.String() != "one\ntwo\n" || w.Dropped() != 0 {
			t.Errorf("after Close: %q, %d dropped", out.String(), w.Dropped())
		}
		fmt.Fprintln(w, "late")
		if w.Dropped() != 1 {
			t.Error("a record after Close is not counted")
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
}

// stuck is a disk that does not answer until let go.
type stuck struct {
	lines
	entered chan bool
	free    chan bool
	once    sync.Once
}

func (s *stuck) Write(p []byte) (int, error) {
	s.once.Do(func() { s.entered <- true; <-s.free })
	return s.lines.Write(p)
}

func TestLogWriterBehindASlowDisk(t *testing.T) {
	t.Parallel()
	out := &stuck{entered: make(chan bool), free: make(chan bool)}
	w := NewLogWriter(out)
	record := strings.Repeat("x", 1023) + "\n"
	fmt.Fprint(w, record)
	<-out.entered
	n := 1
	for w.Dropped() == 0 {
		fmt.Fprint(w, record) // never blocks
		n++
	}
	close(out.free)
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	written := int64(strings.Count(out.String(), "\n"))
	if written+w.Dropped() != int64(n) || written < logBound/1024 {
		t.Errorf("%d records: %d written, %d dropped", n, written, w.Dropped())
	}
}

func TestLogWriterKeepsEveryRecordOfMany(t *testing.T) {
	t.Parallel()
	var out lines
	w := NewLogWriter(&out)
	var writers sync.WaitGroup
	for i := range 8 {
		writers.Go(func() {
			for j := range 500 {
				fmt.Fprintf(w, "%d-%d\n", i, j)
			}
		})
	}
	writers.Wait()
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	seen := map[string]bool{}
	for _, line := range strings.Split(strings.TrimSpace(out.String()), "\n") {
		seen[line] = true
	}
	if len(seen) != 4000 || w.Dropped() != 0 {
		t.Errorf("%d of 4000 records, %d dropped", len(seen), w.Dropped())
	}
}
