package staff

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
)

// Box keeps secrets at rest under AES-256-GCM. Its keys are handed in, each by
// the id that a sealed secret names, so that keys can be rotated.
type Box struct {
	// Active is the key to seal with.
	Active func() (id uint16, key []byte)
	// ByID is the key to open with.
	ByID func(id uint16) (key []byte, ok bool)
}

var errSealed = errors.New("staff: a sealed secret can not be opened")

const boxHead = 2 // bytes of key id before nonce and ciphertext

// seal encrypts for one owner; nobody else's row opens it.
func (b *Box) seal(owner int64, plain []byte) ([]byte, error) {
	id, key := b.Active()
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	out := binary.BigEndian.AppendUint16(nil, id)
	nonce := make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails
	out = append(out, nonce...)
	return aead.Seal(out, nonce, plain, boxContext(owner)), nil
}

// open decrypts what seal made.
func (b *Box) open(owner int64, sealed []byte) ([]byte, error) {
	if len(sealed) < boxHead {
		return nil, errSealed
	}
	key, ok := b.ByID(binary.BigEndian.Uint16(sealed))
	if !ok {
		return nil, fmt.Errorf("%w: its key is gone", errSealed)
	}
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	rest := sealed[boxHead:]
	if len(rest) < aead.NonceSize() {
		return nil, errSealed
	}
	plain, err := aead.Open(nil, rest[:aead.NonceSize()], rest[aead.NonceSize():], boxContext(owner))
	if err != nil {
		return nil, errSealed
	}
	return plain, nil
}

// old reports whether a secret was sealed with another key than today's.
func (b *Box) old(sealed []byte) bool {
	id, _ := b.Active()
	return len(sealed) < boxHead || binary.BigEndian.Uint16(sealed) != id
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("staff: box: %w", err)
	}
	return cipher.NewGCM(block)
}

func boxContext(owner int64) []byte {
	return fmt.Appendf(nil, "unioncard staff %d second factor", owner)
}
