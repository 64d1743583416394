package pglocal

import (
	"log/slog"
	"testing"
)

func TestTry(t *testing.T) {
	s, err := Start(t.Context(), Options{Dir: "/tmp/pgtry", Logger: slog.Default()})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(s.DSN("unioncard"), s.PID())
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}
