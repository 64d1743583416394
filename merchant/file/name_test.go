package file

import (
	"bytes"
	"image"
	"image/jpeg"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestSafeName(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, want string }{
		{"执照.jpg", "执照.png"},
		{"../../etc/passwd", "passwd.png"},
		{`C:\temp\..\x.exe`, "x.png"},
		{"..", "文件.png"},
		{"", "文件.png"},
		{"a\x00b\r\nSet-Cookie: x.png", "abSet-Cookie_ x.png"},
		{"\u202egpj.exe", "gpj.png"},
		{"\xff\xfe", "文件.png"},
		{`"><script>.png`, "___script_.png"},
		{".htaccess", "htaccess.png"},
		{strings.Repeat("长", 300) + ".jpg", strings.Repeat("长", 80) + ".png"},
	}
	for _, tt := range tests {
		if got := safeName(tt.in, PNG); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	f := File{Name: `门店 "照片"+(1)*';.pdf`, Media: PDF, Size: 7}
	h := f.Headers(true)
	want := map[string]string{
		"Content-Type": "application/pdf", "Content-Length": "7",
		"Content-Disposition": `attachment; filename="file.pdf"; filename*=UTF-8''` +
			"%E9%97%A8%E5%BA%97%20%22%E7%85%A7%E7%89%87%22%2B%281%29%2A%27%3B.pdf",
		"Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
		"X-Content-Type-Options":  "nosniff", "Cache-Control": "private, no-store", "Referrer-Policy": "no-referrer",
		"Cross-Origin-Resource-Policy": "same-origin",
	}
	if diff := cmp.Diff(want, h); diff != "" {
		t.Error(diff)
	}
	f.Media = JPEG
	if d := f.Headers(true)["Content-Disposition"]; !strings.HasPrefix(d, "inline;") {
		t.Errorf("image in a page: %s", d)
	}
	if d := f.Headers(false)["Content-Disposition"]; !strings.HasPrefix(d, "attachment;") {
		t.Errorf("image: %s", d)
	}
}

func FuzzSafeName(f *testing.F) {
	f.Add("../a\x00.jpg")
	f.Fuzz(func(t *testing.T, name string) {
		got := safeName(name, PDF)
		if !utf8.ValidString(got) || !strings.HasSuffix(got, ".pdf") || len([]rune(got)) > maxNameRunes+4 ||
			strings.ContainsAny(got, "/\\\"<>\r\n\x00") || strings.ContainsFunc(got, unicode.IsControl) || strings.HasPrefix(got, ".") {
			t.Errorf("%q became %q", name, got)
		}
	})
}

// FuzzContent: no content crashes, and what is taken as an image decodes again.
func FuzzContent(f *testing.F) {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 8, 8)), nil); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte("%PDF-1.4 1 0 obj << /Type /ObjStm /Filter /FlateDecode >> stream\nx\nendstream #4"))
	f.Add([]byte("\x89PNG\r\n\x1a\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if media, err := mediaOf(data); err == nil && media.Image() {
			if out, _, _, err := encodeAnew(media, data); err == nil {
				if _, _, err := image.Decode(bytes.NewReader(out)); err != nil {
					t.Errorf("what was encoded does not decode: %v", err)
				}
			}
		}
		_ = checkPDF(data) // refuses or not; must not crash
		if o := orientation(data); o < 1 || o > 8 {
			t.Errorf("orientation %d", o)
		}
	})
}
