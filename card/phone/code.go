package phone

import (
	"bytes"
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card"
	"unioncard/card/personal"
)

const (
	codeDigits = 6
	hour       = time.Hour
	day        = 24 * time.Hour
)

// RequestCode makes a code for a number and sends it if the number is a member's,
// which nobody can tell from the answer. number is as personal.ParsePhone returns
// it. A *WaitError when the number, the network or everybody has asked too often;
// ErrNoSMS, ErrBusy. The row of the number protects its own limits.
func (s *Store) RequestCode(ctx context.Context, from netip.Addr, number string) error {
	if s.opts.Sender == nil {
		return ErrNoSMS
	}
	now := s.now()
	if err := s.mayAsk(ctx, from, now); err != nil {
		s.metrics.codes.WithLabelValues("throttled").Inc()
		return err
	}
	hashes := s.opts.Vault.PhoneHashes(number)
	code, subject := newCode(), s.subjects(hashes)[0]
	key := s.opts.Keyring.Active(card.RingToken, now)
	wait, err := s.storeCode(ctx, subject, codeMAC(key, subject, code), key.ID, now)
	if err != nil {
		return fmt.Errorf("phone.RequestCode: %w", err)
	}
	if wait > 0 {
		s.metrics.codes.WithLabelValues("throttled").Inc()
		return &WaitError{wait}
	}
	return s.post(letter{number: number, hashes: hashes, code: code})
}

// mayAsk holds a network to its hour, and everybody to the minute: past it only
// networks go on whose codes are mostly used.
func (s *Store) mayAsk(ctx context.Context, from netip.Addr, now time.Time) error {
	asked := s.opts.Counts.Add(ctx, s.subjectOf("asked", from), hour, 1, now)
	if asked > int64(s.limits.AddressHour) {
		return &WaitError{windowEnd(hour, now).Sub(now)}
	}
	if s.opts.Counts.Add(ctx, s.ofPurpose(everybody), time.Minute, 1, now) > int64(s.limits.Minute) {
		const unused = 3
		used := s.opts.Counts.Add(ctx, s.subjectOf("used", from), hour, 0, now)
		if asked-used > unused+used {
			return &WaitError{windowEnd(time.Minute, now).Sub(now)}
		}
	}
	return nil
}

// storeCode makes a code the number's one, or says how long to wait.
func (s *Store) storeCode(ctx context.Context, phone personal.Hash, mac []byte, keyID uint16, now time.Time) (wait time.Duration, err error) {
	l := s.limits
	var stored bool
	err = s.db.QueryRow(ctx, `INSERT INTO phone_codes AS c
		  (phone, mac, key_id, sent_at, expires_at, hour_from, in_hour, day_from, in_day) VALUES ($1, $2, $3, $4, $5, $4, 1, $4, 1)
		ON CONFLICT (phone) DO UPDATE SET mac = $2, key_id = $3, attempts = 0, sent_at = $4, expires_at = $5,
		  hour_from = CASE WHEN c.hour_from <= $6 THEN $4 ELSE c.hour_from END,
		  in_hour = CASE WHEN c.hour_from <= $6 THEN 1 ELSE c.in_hour + 1 END,
		  day_from = CASE WHEN c.day_from <= $7 THEN $4 ELSE c.day_from END,
		  in_day = CASE WHEN c.day_from <= $7 THEN 1 ELSE c.in_day + 1 END
		WHERE c.sent_at <= $8 AND (c.hour_from <= $6 OR c.in_hour < $9) AND (c.day_from <= $7 OR c.in_day < $10)
		RETURNING true`,
		phone, mac, int32(keyID), now, now.Add(l.Valid), now.Add(-hour), now.Add(-day), now.Add(-l.Wait), l.NumberHour, l.NumberDay).Scan(&stored)
	if err == nil {
		return 0, nil
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return 0, err
	}
	var sent, hourFrom, dayFrom time.Time
	var inHour, inDay int
	err = s.db.QueryRow(ctx, `SELECT sent_at, hour_from, in_hour, day_from, in_day FROM phone_codes WHERE phone = $1`, phone).
		Scan(&sent, &hourFrom, &inHour, &dayFrom, &inDay)
	if errors.Is(err, pgx.ErrNoRows) { // pruned meanwhile
		return time.Second, nil
	}
	if err != nil {
		return 0, err
	}
	until := sent.Add(l.Wait)
	if inHour >= l.NumberHour && hourFrom.Add(hour).After(until) {
		until = hourFrom.Add(hour)
	}
	if inDay >= l.NumberDay && dayFrom.Add(day).After(until) {
		until = dayFrom.Add(day)
	}
	return max(until.Sub(now), time.Second), nil
}

// right says whether a code is the one that was sent to a number. The attempt is
// counted before it is checked, so that many at once do not slip through; the
// number's row protects it. A right code is still unused: use takes it.
func (s *Store) right(ctx context.Context, from netip.Addr, number, code string) (c sentCode, err error) {
	now := s.now()
	if !s.mayTry(ctx, from, now) {
		s.metrics.guess.WithLabelValues("throttled").Inc()
		return c, &WaitError{windowEnd(hour, now).Sub(now)}
	}
	var keyID int32
	err = s.db.QueryRow(ctx, `UPDATE phone_codes SET attempts = attempts + 1
		WHERE phone = ANY($1) AND attempts < $2 AND expires_at > $3 RETURNING phone, mac, key_id`,
		s.subjects(s.opts.Vault.PhoneHashes(number)), s.limits.Attempts, now).Scan(&c.phone, &c.mac, &keyID)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return c, err
	}
	key, ok := s.opts.Keyring.AcceptedKey(card.RingToken, uint16(keyID), now)
	if err != nil || !ok || !hmac.Equal(codeMAC(key, c.phone, code), c.mac) {
		s.opts.Counts.Add(ctx, s.subjectOf("missed", from), hour, 1, now)
		s.opts.Counts.Add(ctx, s.ofPurpose(everybodyMissed), hour, 1, now)
		s.metrics.guess.WithLabelValues("wrong").Inc()
		return c, ErrCodeWrong
	}
	s.opts.Counts.Add(ctx, s.subjectOf("right", from), day, 1, now)
	return c, nil
}

// mayTry holds an address to its misses, and everybody to those of an hour: past
// them an address goes on that has missed no oftener than it was right today. One
// without a miss is refused nothing, however many others guess, and one that hides
// a mobile network's phones is not stopped by a slip of the finger in one of them.
func (s *Store) mayTry(ctx context.Context, from netip.Addr, now time.Time) bool {
	missed := s.opts.Counts.Add(ctx, s.subjectOf("missed", from), hour, 0, now)
	switch {
	case missed == 0:
		return true
	case missed >= int64(s.limits.AddressMisses):
		return false
	case s.opts.Counts.Add(ctx, s.ofPurpose(everybodyMissed), hour, 0, now) < int64(s.limits.AllMisses):
		return true
	}
	return missed <= s.opts.Counts.Add(ctx, s.subjectOf("right", from), day, 0, now)
}

// sentCode is a code as it is stored.
type sentCode struct {
	phone personal.Hash
	mac   []byte
}

// use takes a right code; ErrCodeWrong if somebody was faster.
func (c sentCode) use(ctx context.Context, tx pgx.Tx, now time.Time) error {
	// Not "now": another attempt's clock may be a moment behind this one's.
	tag, err := tx.Exec(ctx, `UPDATE phone_codes SET expires_at = '-infinity' WHERE phone = $1 AND mac = $2 AND expires_at > $3`, c.phone, c.mac, now)
	if err != nil {
		return err
	}
	if tag.RowsAffected() != 1 {
		return ErrCodeWrong
	}
	return nil
}

// newCode draws six digits.
func newCode() string {
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		panic(err) // crypto/rand never fails
	}
	return fmt.Sprintf("%0*d", codeDigits, n.Int64())
}

// codeMAC is what is stored of a code: without the keyring, six digits could be
// tried from a dump in no time.
func codeMAC(key card.Key, phone personal.Hash, code string) []byte {
	secret, err := hkdf.Key(sha256.New, key.Secret(), nil, "unioncard codes by SMS v1", 32)
	if err != nil {
		panic(err) // only for a length that SHA-256 can't give
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write(bytes.Join([][]byte{phone[:], []byte(code)}, nil))
	return mac.Sum(nil)
}

// plausible says whether a text can be a code at all.
func plausible(code string) bool {
	if len(code) != codeDigits {
		return false
	}
	for _, c := range code {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
