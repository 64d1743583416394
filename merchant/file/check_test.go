package file_test

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"strings"
	"testing"

	"unioncard/merchant/file"
)

func TestRefused(t *testing.T) {
	t.Parallel()
	store, err := file.New(file.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	jpg := jpegOf(t, picture(40, 20))
	tests := []struct {
		name, file string
		data       []byte
		says       string
	}{
		{"empty", "a.jpg", nil, "空的"},
		{"too large", "a.jpg", append(bytes.Clone(jpg), make([]byte, file.MaxBytes)...), "超过 10 MB"},
		{"svg called jpg", "a.jpg", []byte(`<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`), "不能识别"},
		{"html called png", "a.png", []byte(`<!doctype html><script>alert(1)</script>`), "不能识别"},
		{"program", "a.pdf", []byte("MZ\x90\x00"), "不能识别"},
		{"gif", "a.gif", []byte("GIF89a\x01\x00\x01\x00"), "不能识别"},
		{"gif and script", "a.jpg", []byte("GIF89a/*"), "不能识别"},
		{"zip", "a.docx", []byte("PK\x03\x04"), "不能识别"},
		{"cut jpeg", "a.jpg", jpg[:len(jpg)/2], "已损坏"},
		{"only jpeg's first bytes, then a page", "a.jpg", []byte("\xff\xd8\xff<script>alert(1)</script>"), "已损坏"},
		{"only png's first bytes", "a.png", []byte("\x89PNG\r\n\x1a\n<svg/>"), "已损坏"},
		{"png pixel flood", "a.png", pngHead(60_000, 60_000), "太大"},
		{"png thin flood", "a.png", pngHead(1, 2_000_000_000), "太大"},
		{"png overflow", "a.png", pngHead(0x7fffffff, 0x7fffffff), "已损坏"}, // image/png refuses it first
		{"jpeg pixel flood", "a.jpg", jpegHead(65_000, 65_000), "太大"},
		{"jpeg just over", "a.jpg", jpegHead(8_000, 4_001), "太大"},
		{"jpeg of a thousand scans", "a.jpg", append(bytes.Clone(jpg), bytes.Repeat([]byte{0xff, 0xda}, 1000)...), "编码方式"},
		{"pdf without end", "a.pdf", []byte("%PDF-1.7\n" + strings.Repeat("x", 200)), "不完整"},
		{"pdf with a tail", "a.pdf", append(pdfOf(""), "<script>alert(1)</script>"...), "不完整"},
		{"pdf that is a page", "a.pdf", []byte("%PDF-1.4\n<html><script>alert(1)</script>" + string(pdfOf(""))), "网页"},
		{"pdf that is a zip", "a.pdf", append(pdfOf(""), "PK\x05\x06"+strings.Repeat("\x00", 16)+"\x06\x00%%EOF\n"...), "压缩包"},
		{"pdf script", "a.pdf", pdfOf("3 0 obj << /S /JavaScript /JS (app.alert(1)) >> endobj"), "脚本"},
		{"pdf script, escaped", "a.pdf", pdfOf("3 0 obj << /S /J#61vaScr#69pt >> endobj"), "脚本"},
		{"pdf launch", "a.pdf", pdfOf("3 0 obj << /S /Launch /F (cmd.exe) >> endobj"), "脚本"},
		{"pdf attachment", "a.pdf", pdfOf("3 0 obj << /Type /EmbeddedFile >> stream\nx\nendstream endobj"), "附件"},
		{"pdf encrypted", "a.pdf", pdfOf("3 0 obj << /Encrypt 4 0 R >> endobj"), "加了密"},
		{"pdf script in an object stream", "a.pdf", pdfOf(objectStream(t, []byte("5 0 << /S /JavaScript >>"))), "脚本"},
		{"pdf object stream bomb", "a.pdf", pdfOf(objectStream(t, make([]byte, 65<<20))), "无法检查"},
		{"pdf object stream that is none", "a.pdf", pdfOf("3 0 obj << /Type /ObjStm /Filter /FlateDecode >>\nstream\nrubbish\nendstream"), "无法检查"},
		{"pdf object stream twice wrapped", "a.pdf", pdfOf("3 0 obj << /Type /Obj#53tm /Filter [/ASCIIHexDecode /FlateDecode] >>\nstream\n00\nendstream"), "少见"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := store.Check(t.Context(), tt.file, tt.data)
			var refused *file.RefusedError
			if !errors.As(err, &refused) || !strings.Contains(refused.Message, tt.says) {
				t.Errorf("got %v, want a refusal with %q", err, tt.says)
			}
		})
	}
}

func TestTaken(t *testing.T) {
	t.Parallel()
	store, err := file.New(file.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		data  []byte
		media file.Media
	}{
		{"jpeg", jpegOf(t, picture(40, 20)), file.JPEG},
		{"png", pngOf(t, picture(40, 20)), file.PNG},
		{"png of 16 bit", pngOf(t, image.NewNRGBA64(image.Rect(0, 0, 4, 4))), file.PNG},
		{"pdf", pdfOf(""), file.PDF},
		{"pdf with an object stream", pdfOf(objectStream(t, []byte("5 0 << /Type /Font >>"))), file.PDF},
		{"pdf that opens on a page", pdfOf("3 0 obj << /OpenAction [4 0 R /Fit] /URI (https://example.org) >> endobj"), file.PDF},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, err := store.Check(t.Context(), "../../etc/passwd.svg", tt.data)
			if err != nil {
				t.Fatal(err)
			}
			if c.Media != tt.media || !strings.HasPrefix(c.Name, "passwd.") || strings.HasSuffix(c.Name, ".svg") {
				t.Errorf("media %s, name %q", c.Media, c.Name)
			}
		})
	}
}

// TestNothingButPixels: position and trailing payloads do not survive.
func TestNothingButPixels(t *testing.T) {
	t.Parallel()
	store, err := file.New(file.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	payload := []byte("PK\x03\x04<?php system($_GET[0]); ?><script>alert(1)</script>")
	jpg := append(withExif(jpegOf(t, picture(40, 20)), 1), payload...)
	pngData := append(pngOf(t, picture(40, 20)), payload...)
	for name, data := range map[string][]byte{"jpeg": jpg, "png": pngData} {
		c, err := store.Check(t.Context(), name, data)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, gone := range []string{"Exif", "GPS", "113.66", "<script", "<?php", "PK\x03\x04"} {
			if bytes.Contains(c.Data, []byte(gone)) {
				t.Errorf("%s still holds %q", name, gone)
			}
		}
	}
}

// TestUpright: a photo taken with the phone turned comes out as it was seen. The
// red quarter lies at the top left in the stored pixels of every case; the table
// says where a viewer sees it (EXIF 2.32, 4.6.4 A).
func TestUpright(t *testing.T) {
	t.Parallel()
	store, err := file.New(file.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	const w, h = 64, 32
	tests := []struct {
		orientation, width, height int
		right, bottom              bool // where red is seen
	}{
		{1, w, h, false, false}, {2, w, h, true, false}, {3, w, h, true, true}, {4, w, h, false, true},
		{5, h, w, false, false}, {6, h, w, true, false}, {7, h, w, true, true}, {8, h, w, false, true},
		{0, w, h, false, false}, {9, w, h, false, false},
	}
	data := jpegOf(t, picture(w, h))
	for _, tt := range tests {
		c, err := store.Check(t.Context(), "a.jpg", withExif(data, tt.orientation))
		if err != nil {
			t.Fatal(err)
		}
		img, err := jpeg.Decode(bytes.NewReader(c.Data))
		if err != nil {
			t.Fatal(err)
		}
		if c.Width != tt.width || c.Height != tt.height || img.Bounds().Dx() != tt.width {
			t.Errorf("orientation %d: %d×%d", tt.orientation, c.Width, c.Height)
			continue
		}
		x, y := tt.width/4, tt.height/4
		if tt.right {
			x = 3 * tt.width / 4
		}
		if tt.bottom {
			y = 3 * tt.height / 4
		}
		if _, g, _, _ := img.At(x, y).RGBA(); g > 0x4000 {
			t.Errorf("orientation %d: red is not at %d,%d", tt.orientation, x, y)
		}
	}
}
