package file

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// disk holds content by its hash: ab/abcdef….
type disk struct{ dir string }

// errCorrupt: the content is not what its name says.
var errCorrupt = errors.New("file: stored content is damaged")

func openDisk(dir string) (*disk, error) {
	if dir == "" {
		return nil, errors.New("no directory")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	return &disk{abs}, nil
}

func (d *disk) path(sum [32]byte) string {
	name := hex.EncodeToString(sum[:])
	return filepath.Join(d.dir, name[:2], name)
}

// write stores content, whole or not at all. Content that is there only looks
// young again to Sweep.
func (d *disk) write(sum [32]byte, data []byte, now time.Time) (err error) {
	path := d.path(sum)
	if info, err := os.Stat(path); err == nil && info.Size() == int64(len(data)) {
		return os.Chtimes(path, now, now)
	}
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(folder, ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, ignoreAbsent(os.Remove(f.Name())))
		}
	}()
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err = os.Chtimes(f.Name(), now, now); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	return errors.Join(syncDir(folder), syncDir(d.dir))
}

func syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func ignoreAbsent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (d *disk) read(sum [32]byte) ([]byte, error) {
	data, err := os.ReadFile(d.path(sum))
	if err != nil {
		return nil, err
	}
	if sha256.Sum256(data) != sum {
		return nil, errCorrupt
	}
	return data, nil
}

// older lists content and left temporary files last touched before a moment.
func (d *disk) older(before time.Time) (sums [][32]byte, temps []string, err error) {
	err = filepath.WalkDir(d.dir, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // another node swept it
		}
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return ignoreAbsent(err)
		}
		if !info.ModTime().Before(before) {
			return nil
		}
		raw, hexErr := hex.DecodeString(e.Name())
		switch {
		case hexErr == nil && len(raw) == sha256.Size:
			sums = append(sums, [32]byte(raw))
		case len(e.Name()) > 5 && e.Name()[:5] == ".new-":
			temps = append(temps, path)
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("file: walk: %w", err)
	}
	return sums, temps, nil
}

// removeOlder deletes content unless it was touched meanwhile.
func (d *disk) removeOlder(sum [32]byte, before time.Time) (bool, error) {
	info, err := os.Stat(d.path(sum))
	if err != nil || !info.ModTime().Before(before) {
		return false, ignoreAbsent(err)
	}
	err = os.Remove(d.path(sum))
	return err == nil, ignoreAbsent(err)
}
