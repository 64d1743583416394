package application

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// VaultKey is one key that values are sealed under.
type VaultKey struct {
	ID     uint16
	Secret []byte // 32 bytes
}

// Vault seals personal values for storage (AES-256-GCM) and finds them again by
// keyed hash (HMAC-SHA-256), under keys derived from those it is given: invariant
// 11. A sealed value names its key, so that values outlive a rotation for as long
// as their key is handed in. The hash's key is the oldest one's.
type Vault struct{ keys func() []VaultKey }

// NewVault returns a vault. keys is asked for each value, so that a rotation
// takes effect at once; newest first, never empty.
func NewVault(keys func() []VaultKey) *Vault { return &Vault{keys} }

var (
	errSealed  = errors.New("application: sealed value does not open")
	errNoVault = errors.New("application: no key to seal with")
)

const sealedFormat = 1

// Seal encrypts a value of an object ("application:12"); the object is bound to
// it, so a value copied to another row does not open there.
func (v *Vault) Seal(object string, plain []byte) ([]byte, error) {
	keys := v.keys()
	if len(keys) == 0 {
		return nil, errNoVault
	}
	aead, err := aeadOf(keys[0])
	if err != nil {
		return nil, err
	}
	out := binary.BigEndian.AppendUint16([]byte{sealedFormat}, keys[0].ID)
	nonce := make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails
	return aead.Seal(append(out, nonce...), nonce, plain, []byte(object)), nil
}

// Open decrypts what Seal made for the object.
func (v *Vault) Open(object string, sealed []byte) ([]byte, error) {
	if len(sealed) < 3 || sealed[0] != sealedFormat {
		return nil, errSealed
	}
	id, rest := binary.BigEndian.Uint16(sealed[1:]), sealed[3:]
	for _, k := range v.keys() {
		if k.ID != id {
			continue
		}
		aead, err := aeadOf(k)
		if err != nil {
			return nil, err
		}
		if len(rest) < aead.NonceSize() {
			return nil, errSealed
		}
		plain, err := aead.Open(nil, rest[:aead.NonceSize()], rest[aead.NonceSize():], []byte(object))
		if err != nil {
			return nil, errSealed
		}
		return plain, nil
	}
	return nil, fmt.Errorf("%w: key %d is not at hand", errSealed, id)
}

// Hash is a keyed hash under which a value is found again; nil for "".
func (v *Vault) Hash(purpose, value string) ([]byte, error) {
	if value == "" {
		return nil, nil
	}
	keys := v.keys()
	if len(keys) == 0 {
		return nil, errNoVault
	}
	key, err := hkdf.Key(sha256.New, keys[len(keys)-1].Secret, nil, "unioncard contact hash v1 "+purpose, 32)
	if err != nil {
		return nil, err
	}
	m := hmac.New(sha256.New, key)
	m.Write([]byte(value))
	return m.Sum(nil), nil
}

func aeadOf(k VaultKey) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, k.Secret, nil, "unioncard contact seal v1", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
