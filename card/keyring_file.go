package card

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	keyringVersion = 1
	maxKeyringFile = 1 << 20
)

var errKeyringFile = errors.New("card: bad keyring file")

type keyringFile struct {
	Version int                  `json:"version"`
	Rings   map[Ring][]keyRecord `json:"rings"`
}

type keyRecord struct {
	ID          uint16     `json:"id"`
	CreatedAt   time.Time  `json:"created_at"`
	NotBefore   time.Time  `json:"not_before"`
	AcceptUntil *time.Time `json:"accept_until,omitempty"`
	Secret      []byte     `json:"secret"` // base64
}

// Save writes the keyring to path: mode 0600, whole or not at all (a temporary
// file in the same folder, synced, renamed, the folder synced).
func (k *Keyring) Save(path string) error {
	doc := keyringFile{Version: keyringVersion, Rings: make(map[Ring][]keyRecord)}
	for ring, keys := range *k.rings.Load() {
		for _, key := range keys {
			r := keyRecord{ID: key.ID, CreatedAt: key.CreatedAt, NotBefore: key.NotBefore, Secret: key.secret.bytes[:]}
			if !key.AcceptUntil.IsZero() {
				r.AcceptUntil = &key.AcceptUntil
			}
			doc.Rings[ring] = append(doc.Rings[ring], r)
		}
	}
	b, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return fmt.Errorf("card.Keyring.Save: %w", err)
	}
	if err := writeAtomic(path, append(b, '\n')); err != nil {
		return fmt.Errorf("card.Keyring.Save: %w", err)
	}
	return nil
}

func writeAtomic(path string, b []byte) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".keyring-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	d, derr := os.Open(dir)
	if derr != nil {
		return nil // renamed; a folder that can't be opened can't be synced either
	}
	return errors.Join(d.Sync(), d.Close())
}

// LoadKeyring reads a keyring that Save wrote. It is strict: unknown or repeated
// fields, a missing ring, keys out of order or anything behind the document is
// an error, and so is a file that the group or the world may read. Only
// RingPersonal may be missing, in a file older than the ring: Add it. No error
// shows content of the file.
func LoadKeyring(path string) (*Keyring, error) {
	b, err := readPrivate(path)
	if err != nil {
		return nil, fmt.Errorf("card.LoadKeyring: %w", err)
	}
	set, err := parseKeyring(b)
	if err != nil {
		return nil, fmt.Errorf("card.LoadKeyring: %s: %w", path, err)
	}
	k := new(Keyring)
	k.rings.Store(&set)
	return k, nil
}

func readPrivate(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	switch {
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a file: %w", path, errKeyringFile)
	case info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("%s is open to group or world (mode %04o), chmod 600 it: %w", path, info.Mode().Perm(), errKeyringFile)
	case info.Size() > maxKeyringFile:
		return nil, fmt.Errorf("%s is too large: %w", path, errKeyringFile)
	}
	return io.ReadAll(io.LimitReader(f, maxKeyringFile))
}

func parseKeyring(b []byte) (ringSet, error) {
	var doc keyringFile
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&doc); err != nil {
		// The decoder's own text may quote a value, which may be a secret.
		return nil, fmt.Errorf("not a keyring document: %w", errKeyringFile)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("more behind the document: %w", errKeyringFile)
	}
	if err := checkRepeats(json.NewDecoder(bytes.NewReader(b))); err != nil {
		return nil, err
	}
	rings := Rings()
	if _, ok := doc.Rings[RingPersonal]; !ok { // a file from before there was this ring
		rings = slices.DeleteFunc(rings, func(r Ring) bool { return r == RingPersonal })
	}
	if doc.Version != keyringVersion || len(doc.Rings) != len(rings) {
		return nil, fmt.Errorf("version or rings are not those of this program: %w", errKeyringFile)
	}
	set := make(ringSet)
	for _, ring := range rings {
		for _, r := range doc.Rings[ring] {
			if len(r.Secret) != keyBytes {
				return nil, fmt.Errorf("ring %q key %d: a secret is %d bytes: %w", ring, r.ID, keyBytes, errKeyringFile)
			}
			key := Key{ID: r.ID, CreatedAt: r.CreatedAt, NotBefore: r.NotBefore, secret: hide([keyBytes]byte(r.Secret))}
			if r.AcceptUntil != nil {
				key.AcceptUntil = *r.AcceptUntil
			}
			set[ring] = append(set[ring], key)
		}
		if err := checkRing(ring, set[ring]); err != nil {
			return nil, fmt.Errorf("ring %q: %w: %w", ring, err, errKeyringFile)
		}
	}
	return set, nil
}

// checkRepeats refuses an object that names a field twice: encoding/json would
// silently take the last, or merge the two.
func checkRepeats(dec *json.Decoder) error {
	t, err := dec.Token()
	if err != nil {
		return errKeyringFile
	}
	delim, ok := t.(json.Delim)
	if !ok {
		return nil
	}
	seen := make(map[string]bool)
	for dec.More() {
		if delim == '{' {
			t, err := dec.Token()
			name, _ := t.(string)
			name = strings.ToLower(name) // as encoding/json matches fields
			if err != nil || seen[name] {
				return fmt.Errorf("a field stands twice: %w", errKeyringFile)
			}
			seen[name] = true
		}
		if err := checkRepeats(dec); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return err
}
