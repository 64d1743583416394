package file_test

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"unioncard/merchant"
	"unioncard/merchant/file"
	"unioncard/migrations/pgtest"
)

var by = merchant.By{Actor: "test", Reason: "test"}

// clock is a clock that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

type world struct {
	t     *testing.T
	pool  *pgxpool.Pool
	store *file.Store
	clock *clock
	dir   string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, pool: pgtest.New(t), clock: &clock{now: time.Now()}, dir: t.TempDir()}
	var err error
	w.store, err = file.New(file.Options{DB: w.pool, Dir: w.dir, Clock: w.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// put stores a file in a transaction of its own.
func (w *world) put(object, kind, name string, data []byte) (file.File, error) {
	w.t.Helper()
	tx, err := w.pool.Begin(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	f, err := w.store.Put(w.t.Context(), tx, by, object, kind, name, data)
	if err != nil {
		if rbErr := tx.Rollback(context.WithoutCancel(w.t.Context())); rbErr != nil {
			w.t.Fatal(rbErr)
		}
		return f, err
	}
	if err := tx.Commit(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	return f, nil
}

// picture is a w×h image whose top left corner is red on white.
func picture(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.RGBA{255, 255, 255, 255}
			if x < w/2 && y < h/2 {
				c = color.RGBA{255, 0, 0, 255}
			}
			img.Set(x, y, c)
		}
	}
	return img
}

func jpegOf(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func pngOf(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// withExif puts an APP1 segment into a JPEG: an orientation and a position.
func withExif(data []byte, orientation int) []byte {
	var tiff bytes.Buffer
	tiff.WriteString("MM\x00*\x00\x00\x00\x08\x00\x02")
	_ = binary.Write(&tiff, binary.BigEndian, []uint16{0x0112, 3, 0, 1, uint16(orientation), 0})
	_ = binary.Write(&tiff, binary.BigEndian, []uint16{0x8825, 4, 0, 1, 0, 38})
	tiff.WriteString("\x00\x00\x00\x00GPS 34.7579 N 113.6654 E")
	seg := append([]byte("Exif\x00\x00"), tiff.Bytes()...)
	head := []byte{0xff, 0xd8, 0xff, 0xe1, byte((len(seg) + 2) >> 8), byte(len(seg) + 2)}
	return append(append(head, seg...), data[2:]...)
}

// pngHead is a PNG that says it is w×h and holds nothing.
func pngHead(w, h uint32) []byte {
	b := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d")
	ihdr := append([]byte("IHDR"), binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, w), h)...)
	ihdr = append(ihdr, 8, 6, 0, 0, 0)
	b = append(b, ihdr...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(ihdr))
}

// jpegHead is a JPEG that says it is w×h and holds nothing.
func jpegHead(w, h int) []byte {
	return []byte{0xff, 0xd8, 0xff, 0xc0, 0, 11, 8, byte(h >> 8), byte(h), byte(w >> 8), byte(w), 1, 1, 0x11, 0, 0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0}
}

// pdfOf is a whole PDF with some more objects.
func pdfOf(objects string) []byte {
	return []byte("%PDF-1.7\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n" +
		"2 0 obj\n<< /Type /Pages /Kids [] /Count 0 >>\nendobj\n" + objects +
		"\nxref\n0 3\ntrailer\n<< /Root 1 0 R /Size 3 >>\nstartxref\n100\n%%EOF\n")
}

// objectStream is a compressed stream of objects.
func objectStream(t testing.TB, plain []byte) string {
	t.Helper()
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	if _, err := z.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("3 0 obj\n<< /Type /ObjStm /N 1 /First 4 /Filter /FlateDecode /Length %d >>\nstream\n%s\nendstream\nendobj\n", b.Len(), b.String())
}
