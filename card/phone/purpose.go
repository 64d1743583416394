package phone

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/netip"

	"github.com/jackc/pgx/v5"

	"unioncard/card/personal"
)

// Sent is a code that CheckCode found right and that nobody has used yet.
type Sent struct {
	// Hashes are those of the number, newest key first.
	Hashes []personal.Hash
	code   sentCode
	store  *Store
	from   netip.Addr
}

// CheckCode says whether a code is the one that was sent to a number; Use then takes
// it. ErrCodeWrong, *WaitError. The attempt is counted before it is checked.
func (s *Store) CheckCode(ctx context.Context, from netip.Addr, number, code string) (*Sent, error) {
	if !plausible(code) {
		return nil, ErrCodeWrong
	}
	c, err := s.right(ctx, from, number, code)
	if err != nil {
		return nil, err
	}
	return &Sent{Hashes: s.opts.Vault.PhoneHashes(number), code: c, store: s, from: from}, nil
}

// Use takes the code in the transaction that does what it is good for; ErrCodeWrong
// if somebody was faster.
func (c *Sent) Use(ctx context.Context, tx pgx.Tx) error {
	if err := c.code.use(ctx, tx, c.store.now()); err != nil {
		if errors.Is(err, ErrCodeWrong) {
			c.store.metrics.guess.WithLabelValues("wrong").Inc()
		}
		return err
	}
	c.store.opts.Counts.Add(ctx, c.store.subjectOf("used", c.from), hour, 1, c.store.now())
	c.store.metrics.guess.WithLabelValues("right").Inc()
	return nil
}

// subjects are what codes for a number are stored under: its hashes, for another
// purpose hashed once more.
func (s *Store) subjects(hashes []personal.Hash) []personal.Hash {
	if s.opts.Purpose == "" {
		return hashes
	}
	out := make([]personal.Hash, len(hashes))
	for i, h := range hashes {
		sum := sha256.Sum256(append([]byte(s.opts.Purpose+"\x00"), h[:]...))
		out[i] = personal.Hash(sum[:personal.HashSize])
	}
	return out
}

// subjectOf is what a network does for this store's purpose.
func (s *Store) subjectOf(act string, from netip.Addr) Subject {
	return s.ofPurpose(subjectOf(act, from))
}

func (s *Store) ofPurpose(subject Subject) Subject {
	if s.opts.Purpose == "" {
		return subject
	}
	sum := sha256.Sum256(append([]byte(s.opts.Purpose+"\x00"), subject[:]...))
	return Subject(sum[:16])
}
