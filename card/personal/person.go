package personal

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// Person is a member's personal data in plain, normalised as CheckResidentID,
// ParsePhone and ParseName return it. Phone is "" where none is known. It prints
// as redacted, whatever the verb.
type Person struct{ ResidentID, Phone, Name string }

const redacted = "person [redacted]"

// String shows nothing.
func (Person) String() string { return redacted }

// GoString shows nothing.
func (Person) GoString() string { return redacted }

// Format shows nothing, whatever the verb.
func (Person) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue shows nothing.
func (Person) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON shows nothing: who exports a person names the fields.
func (Person) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// HashSize is how many bytes of the MAC are the index: at 10^8 persons two share
// 128 bits with a chance of 10^-23.
const HashSize = 16

// Hash is the keyed hash by which a value is found. The zero Hash is that of no
// value and is stored as NULL.
type Hash [HashSize]byte

var errHash = errors.New("personal: a hash has 16 bytes")

// BytesValue is the hash as PostgreSQL's bytea, NULL for the zero one.
func (h Hash) BytesValue() ([]byte, error) {
	if h == (Hash{}) {
		return nil, nil
	}
	return h[:], nil
}

// ScanBytes takes a bytea, or NULL.
func (h *Hash) ScanBytes(b []byte) error {
	switch len(b) {
	case 0:
		*h = Hash{}
	case HashSize:
		copy(h[:], b)
	default:
		return errHash
	}
	return nil
}

// Sealed is a Person as its columns in members: id_hash, phone_hash, id_sealed,
// phone_sealed, name_sealed, data_key, index_key. Without a phone PhoneHash is zero
// and Phone nil.
type Sealed struct {
	IDHash, PhoneHash Hash
	ID, Phone, Name   []byte
	Key, IndexKey     int16
}
