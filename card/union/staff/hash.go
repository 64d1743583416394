package staff

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

const (
	saltBytes = 16
	hashBytes = 32
	// maxWaiting bounds those who wait for a hash; beyond it ErrBusy at once, so
	// that a flood of sign-ins costs neither memory nor other people's requests.
	maxWaiting = 32
)

// Bounds of stored parameters: a row that somebody tampered with must not make
// the process take all memory there is.
const (
	maxHashMemory = 1 << 20 // KiB
	maxHashPasses = 64
)

// ErrBusy: too many passwords are being checked at once.
var ErrBusy = errors.New("staff: too many sign-ins at once")

var errHash = errors.New("staff: not an argon2id hash")

// hasher makes and checks argon2id hashes, a bounded number at once.
type hasher struct {
	params  HashParams
	working chan struct{} // one slot a hash under way
	waiting chan struct{}
}

func newHasher(p HashParams, atOnce int) *hasher {
	return &hasher{params: p, working: make(chan struct{}, atOnce), waiting: make(chan struct{}, maxWaiting)}
}

// compute derives the key when its turn has come.
func (h *hasher) compute(ctx context.Context, password string, salt []byte, p HashParams, length uint32) ([]byte, error) {
	select {
	case h.waiting <- struct{}{}:
		defer func() { <-h.waiting }()
	default:
		return nil, ErrBusy
	}
	select {
	case h.working <- struct{}{}:
		defer func() { <-h.working }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return argon2.IDKey([]byte(password), salt, p.Passes, p.Memory, p.Threads, length), nil
}

// hash returns a password's hash in PHC form.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	var salt [saltBytes]byte
	_, _ = rand.Read(salt[:]) // never fails
	key, err := h.compute(ctx, password, salt[:], h.params, hashBytes)
	if err != nil {
		return "", err
	}
	return phc{h.params, salt[:], key}.String(), nil
}

// matches reports whether the password is the hash's. stored "" stands for an
// account that does not exist: it takes as long, and matches nothing.
func (h *hasher) matches(ctx context.Context, password, stored string) (bool, error) {
	if stored == "" {
		_, err := h.hash(ctx, password)
		return false, err
	}
	p, err := parsePHC(stored)
	if err != nil {
		return false, err
	}
	key, err := h.compute(ctx, password, p.salt, p.params, uint32(len(p.key)))
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(key, p.key) == 1, nil
}

// outdated reports whether a hash was made with other parameters than today's.
func (h *hasher) outdated(stored string) bool {
	p, err := parsePHC(stored)
	return err != nil || p.params != h.params
}

// phc is a hash in the Password Hashing Competition's string format:
// $argon2id$v=19$m=19456,t=2,p=1$SALT$KEY, base64 without padding.
type phc struct {
	params    HashParams
	salt, key []byte
}

func (p phc) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.params.Memory, p.params.Passes, p.params.Threads,
		base64.RawStdEncoding.EncodeToString(p.salt), base64.RawStdEncoding.EncodeToString(p.key))
}

// parsePHC reads what String wrote and nothing else.
func parsePHC(s string) (p phc, err error) {
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != "v="+strconv.Itoa(argon2.Version) {
		return p, errHash
	}
	cost := strings.Split(parts[3], ",")
	if len(cost) != 3 {
		return p, errHash
	}
	var n [3]uint64
	for i, name := range []string{"m=", "t=", "p="} {
		digits, ok := strings.CutPrefix(cost[i], name)
		if n[i], err = strconv.ParseUint(digits, 10, 32); err != nil || !ok {
			return p, errHash
		}
	}
	if n[0] < 8 || n[0] > maxHashMemory || n[1] < 1 || n[1] > maxHashPasses || n[2] < 1 || n[2] > 255 {
		return p, errHash
	}
	p.params = HashParams{Memory: uint32(n[0]), Passes: uint32(n[1]), Threads: uint8(n[2])}
	strict := base64.RawStdEncoding.Strict()
	salt, saltErr := strict.DecodeString(parts[4])
	key, keyErr := strict.DecodeString(parts[5])
	if saltErr != nil || keyErr != nil || len(salt) != saltBytes || len(key) != hashBytes || (phc{p.params, salt, key}).String() != s {
		return p, errHash
	}
	p.salt, p.key = salt, key
	return p, nil
}
