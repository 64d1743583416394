package personal

import (
	"context"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// KEKs are the keys that wrap data keys: those of the keyring's ring "personal",
// handed in so that a keyring read anew takes effect at once. 32 bytes each.
type KEKs struct {
	// Active is the key to wrap with.
	Active func() (id uint16, key []byte)
	// ByID is the key to unwrap with.
	ByID func(id uint16) (key []byte, ok bool)
}

// StaticKEK is one key that never changes: for tests and tools.
func StaticKEK(id uint16, key []byte) KEKs {
	return KEKs{
		Active: func() (uint16, []byte) { return id, key },
		ByID:   func(asked uint16) ([]byte, bool) { return key, asked == id },
	}
}

// Options of a Vault.
type Options struct {
	// Suite makes the first keys; AES if nil. Keys made later bring their own.
	Suite Suite
	Clock func() time.Time
	// Logger is told when keys can't be read again; slog.Default if nil.
	Logger *slog.Logger
}

// Errors of opening what is sealed.
var (
	errNoKey = errors.New("personal: sealed with a key that is not here")
	errOpen  = errors.New("personal: does not open: not what was sealed here")
)

// Vault seals and opens personal data. Safe for concurrent use.
type Vault struct {
	db    DB
	keks  KEKs
	suite Suite
	clock func() time.Time
	log   *slog.Logger
	mu    sync.Mutex // one reader of keys at a time
	keys  atomic.Pointer[keySet]
}

// keySet is one immutable state of the keys.
type keySet struct {
	data  map[int16]*dataKey
	index []*indexKey // not retired, newest first
	seal  *dataKey
	hash  *indexKey
}

// dataKey seals values.
type dataKey struct {
	id    int16
	suite string
	aead  cipher.AEAD
}

// indexKey hashes them. HMAC's keyed states are kept for use again.
type indexKey struct {
	id    int16
	suite string
	macs  sync.Pool
}

// String names no key.
func (*Vault) String() string { return "vault [redacted]" }

// Format shows nothing of the keys, whatever the verb.
func (*Vault) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "vault [redacted]") }

// LogValue is String, for slog.
func (*Vault) LogValue() slog.Value { return slog.StringValue("vault [redacted]") }

// reread is how often Run reads the keys. A rotation waits several times that
// between bringing a new key and using it.
const reread = 2 * time.Second

// Run keeps the keys current until ctx ends: other nodes and the rotation command
// make new ones.
func (v *Vault) Run(ctx context.Context) error {
	tick := time.NewTicker(reread)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := v.Reload(ctx); err != nil && ctx.Err() == nil {
			v.log.Error("the keys of personal data can't be read again", "error", err)
		}
	}
}

// purposes of values: the first byte of their additional data and of what is
// hashed. They are part of the stored format.
const (
	fieldID    = 'i'
	fieldPhone = 'p'
	fieldName  = 'n'
	fieldBytes = 'b'
)

const (
	nonceSize = 12
	tagSize   = 16
	overhead  = nonceSize + tagSize
)

// Seal makes a person's columns. The values must be as CheckResidentID,
// ParsePhone and ParseName return them, or the person will not be found again; an
// ID and a name are needed. The only other error is a source of randomness that
// fails.
func (v *Vault) Seal(p Person) (Sealed, error) {
	if p.ResidentID == "" || p.Name == "" {
		return Sealed{}, errors.New("personal.Seal: a person has a resident ID and a name")
	}
	keys := v.keys.Load()
	s := Sealed{Key: keys.seal.id, IndexKey: keys.hash.id}
	s.IDHash = keys.hash.sum(fieldID, p.ResidentID)
	aad := personAAD(&s)
	buf := make([]byte, 0, 3*overhead+len(p.ResidentID)+len(p.Phone)+len(p.Name))
	s.ID, buf = keys.seal.append(buf, aad(fieldID), p.ResidentID)
	if p.Phone != "" {
		s.PhoneHash = keys.hash.sum(fieldPhone, p.Phone)
		s.Phone, buf = keys.seal.append(buf, aad(fieldPhone), p.Phone)
	}
	s.Name, _ = keys.seal.append(buf, aad(fieldName), p.Name)
	return s, nil
}

// personAAD binds values to field and person. The index key is part of it: the
// hash means nothing without.
func personAAD(s *Sealed) func(field byte) []byte {
	b := make([]byte, 0, 3+HashSize)
	b = append(b, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(s.IndexKey))
	b = append(b, s.IDHash[:]...)
	return func(field byte) []byte {
		b[0] = field
		return b
	}
}

// append seals a value behind buf and returns the part that is new.
func (k *dataKey) append(buf, aad []byte, plain string) (sealed, all []byte) {
	from := len(buf)
	var nonce [nonceSize]byte
	_, _ = rand.Read(nonce[:]) // never fails
	buf = append(buf, nonce[:]...)
	buf = k.aead.Seal(buf, nonce[:], []byte(plain), aad)
	return buf[from:len(buf):len(buf)], buf
}

func (k *dataKey) open(sealed, aad []byte) (string, error) {
	if len(sealed) < overhead {
		return "", errOpen
	}
	plain, err := k.aead.Open(nil, sealed[:nonceSize], sealed[nonceSize:], aad)
	if err != nil {
		return "", errOpen
	}
	return string(plain), nil
}

// Reveal opens a person's columns. An error says nothing of their content; it
// means that the row is damaged or its key is not here.
func (v *Vault) Reveal(s Sealed) (p Person, err error) {
	key, err := v.dataKey(s.Key)
	if err != nil {
		return Person{}, fmt.Errorf("personal.Reveal: %w", err)
	}
	aad := personAAD(&s)
	var errs [3]error
	p.ResidentID, errs[0] = key.open(s.ID, aad(fieldID))
	if s.Phone != nil {
		p.Phone, errs[1] = key.open(s.Phone, aad(fieldPhone))
	}
	p.Name, errs[2] = key.open(s.Name, aad(fieldName))
	if err := errors.Join(errs[:]...); err != nil {
		return Person{}, fmt.Errorf("personal.Reveal: %w", err)
	}
	return p, nil
}

// reloadLimit bounds a reading of keys that no caller's context bounds.
const reloadLimit = 5 * time.Second

// dataKey finds a key; one that another node has just made is read first.
func (v *Vault) dataKey(id int16) (*dataKey, error) {
	if k := v.keys.Load().data[id]; k != nil {
		return k, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), reloadLimit)
	defer cancel()
	if err := v.Reload(ctx); err != nil {
		return nil, err
	}
	if k := v.keys.Load().data[id]; k != nil {
		return k, nil
	}
	return nil, fmt.Errorf("key %d: %w", id, errNoKey)
}

// IDHashes are the hashes under which a resident ID may stand in members.id_hash,
// newest key first: two while a re-index runs.
func (v *Vault) IDHashes(id string) []Hash { return v.hashes(fieldID, id) }

// PhoneHashes is IDHashes for members.phone_hash.
func (v *Vault) PhoneHashes(phone string) []Hash { return v.hashes(fieldPhone, phone) }

func (v *Vault) hashes(field byte, value string) []Hash {
	keys := v.keys.Load().index
	out := make([]Hash, len(keys))
	for i, k := range keys {
		out[i] = k.sum(field, value)
	}
	return out
}

func newIndexKey(id int16, s Suite, secret []byte) (*indexKey, error) {
	key, err := derive(s, secret, "index", secretSize)
	if err != nil {
		return nil, err
	}
	k := &indexKey{id: id, suite: s.Name()}
	k.macs.New = func() any { return hmac.New(s.Hash, key) }
	return k, nil
}

func (k *indexKey) sum(field byte, value string) (h Hash) {
	mac := k.macs.Get().(hash.Hash)
	mac.Reset()
	// Short enough for the stack in all but hostile cases.
	buf := append(make([]byte, 0, 32), field)
	_, _ = mac.Write(append(buf, value...)) // never fails
	var sum [64]byte
	copy(h[:], mac.Sum(sum[:0]))
	k.macs.Put(mac)
	return h
}

// SealBytes seals any other personal text, as rows of an uploaded roster. It opens
// only with the same purpose and aad, which say what it is and whose. The key's
// id stands in the first two bytes.
func (v *Vault) SealBytes(purpose string, plain, aad []byte) []byte {
	key := v.keys.Load().seal
	out := make([]byte, 2, 2+overhead+len(plain))
	binary.BigEndian.PutUint16(out, uint16(key.id))
	var nonce [nonceSize]byte
	_, _ = rand.Read(nonce[:]) // never fails
	out = append(out, nonce[:]...)
	return key.aead.Seal(out, nonce[:], plain, bytesAAD(purpose, aad))
}

// OpenBytes opens what SealBytes sealed. An error says nothing of the content.
func (v *Vault) OpenBytes(purpose string, sealed, aad []byte) ([]byte, error) {
	if len(sealed) < 2+overhead {
		return nil, fmt.Errorf("personal.OpenBytes: %w", errOpen)
	}
	key, err := v.dataKey(int16(binary.BigEndian.Uint16(sealed)))
	if err != nil {
		return nil, fmt.Errorf("personal.OpenBytes: %w", err)
	}
	plain, err := key.aead.Open(nil, sealed[2:2+nonceSize], sealed[2+nonceSize:], bytesAAD(purpose, aad))
	if err != nil {
		return nil, fmt.Errorf("personal.OpenBytes: %w", errOpen)
	}
	return plain, nil
}

// bytesAAD is unambiguous: the purpose's length stands before it.
func bytesAAD(purpose string, aad []byte) []byte {
	b := append(make([]byte, 0, 5+len(purpose)+len(aad)), fieldBytes)
	b = binary.BigEndian.AppendUint32(b, uint32(len(purpose)))
	return append(append(b, purpose...), aad...)
}
