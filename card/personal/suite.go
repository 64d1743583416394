package personal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"hash"

	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/sm4"
)

// Suite is a cipher and a hash function that belong together.
type Suite interface {
	// Name is how configuration and data_keys call it.
	Name() string
	// Cipher is the block cipher under a key of KeySize bytes; it is used in GCM.
	Cipher(key []byte) (cipher.Block, error)
	KeySize() int
	// Hash is used in HMAC and HKDF.
	Hash() hash.Hash
}

// AES is AES-256-GCM with HMAC-SHA-256.
func AES() Suite { return aesSuite{} }

// SM is SM4-GCM with HMAC-SM3.
func SM() Suite { return smSuite{} }

// SuiteNamed finds a suite by its name, "aes" or "sm".
func SuiteNamed(name string) (Suite, error) {
	for _, s := range []Suite{AES(), SM()} {
		if s.Name() == name {
			return s, nil
		}
	}
	return nil, fmt.Errorf("personal: there is no cipher suite %q, only aes and sm", name)
}

type aesSuite struct{}

func (aesSuite) Name() string                            { return "aes" }
func (aesSuite) KeySize() int                            { return 32 }
func (aesSuite) Cipher(key []byte) (cipher.Block, error) { return aes.NewCipher(key) }
func (aesSuite) Hash() hash.Hash                         { return sha256.New() }

type smSuite struct{}

func (smSuite) Name() string                            { return "sm" }
func (smSuite) KeySize() int                            { return 16 }
func (smSuite) Cipher(key []byte) (cipher.Block, error) { return sm4.NewCipher(key) }
func (smSuite) Hash() hash.Hash                         { return sm3.New() }

// secretSize is the size of every key that is kept; a suite's own keys are
// derived from it (HKDF, RFC 5869).
const secretSize = 32

// derive makes the key of one use from a secret.
func derive(s Suite, secret []byte, use string, size int) ([]byte, error) {
	return hkdf.Key(s.Hash, secret, nil, "unioncard personal "+use, size)
}

// newAEAD is the suite's GCM under the key that a secret gives for a use.
func newAEAD(s Suite, secret []byte, use string) (cipher.AEAD, error) {
	key, err := derive(s, secret, use, s.KeySize())
	if err != nil {
		return nil, err
	}
	block, err := s.Cipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
