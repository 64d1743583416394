package webhook

import (
	"context"
	"time"
)

// For the tests from outside.
var (
	FirstID   = firstID
	Signature = signature
	Public    = public
	CheckURL  = checkURL
	Pause     = pause
	Kept      = kept
)

// Hasty makes a sender wait a moment for an answer.
func Hasty(s *Sender) *Sender {
	s.attempt = 300 * time.Millisecond
	return s
}

// Claim leases what is due, and forgets it.
func (s *Store) Claim(ctx context.Context) error {
	_, err := s.claim(ctx, slots)
	return err
}
