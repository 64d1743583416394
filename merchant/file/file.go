package file

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Media is the type of a file, told by its content.
type Media string

// The types that are taken.
const (
	JPEG Media = "image/jpeg"
	PNG  Media = "image/png"
	PDF  Media = "application/pdf"
)

var extensions = map[Media]string{JPEG: ".jpg", PNG: ".png", PDF: ".pdf"}

// Image reports whether it may be shown in a page.
func (m Media) Image() bool { return m == JPEG || m == PNG }

// Bounds of a file.
const (
	MaxBytes     = 10 << 20   // as uploaded, and as stored
	maxPixels    = 32_000_000 // a phone's photo has 12 million
	maxEdge      = 16_384     // pixels
	maxScans     = 64         // of a progressive JPEG; encoders make about 10
	MaxPerObject = 60         // files of one object, removed ones apart
	maxNameRunes = 80
)

// File is one stored file.
type File struct {
	ID            int64
	Object        string // "application:12"
	Kind          string // what it shows: "licence", "storefront", "visit:3"
	Name          string // safe for a file system, with the extension of its type
	Media         Media
	Size          int64 // bytes
	SHA256        [32]byte
	Width, Height int // pixels of an image
	By            string
	At            time.Time
}

// Personal reports whether a file may show a person's bank account or identity: a
// bank's paper, a document of identity, or what somebody added without saying what
// it is (a letter of authority names its bearer).
func (f *File) Personal() bool {
	kind, _, _ := strings.Cut(strings.ReplaceAll(f.Kind, "_", ":"), ":")
	return kind == "bank" || kind == "id" || kind == "other"
}

// RefusedError is a file that is not taken, whatever it is called.
type RefusedError struct {
	Message string // in Chinese: what is wrong and what to do
	Cause   error  // what the decoder said, if anything
}

func (e *RefusedError) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("file: refused: %s: %v", e.Message, e.Cause)
	}
	return "file: refused: " + e.Message
}

func (e *RefusedError) Unwrap() error { return e.Cause }

func refused(message string) error { return &RefusedError{Message: message} }

// Clean is a file that was checked and made harmless, not yet stored.
type Clean struct {
	Name          string
	Media         Media
	Data          []byte
	Width, Height int
}

// Check tells a file's type by its content and makes it harmless: a *RefusedError
// says in Chinese why it is not taken. It may take a second of processor time, so
// call it before the transaction begins; few are worked on at once, the others
// wait until ctx ends. The name loses its folders, control characters and length,
// and gets the extension of what the content is.
func (s *Store) Check(ctx context.Context, name string, data []byte) (*Clean, error) {
	media, err := mediaOf(data)
	if err != nil {
		return nil, err
	}
	c := &Clean{Name: safeName(name, media), Media: media, Data: data}
	if media == PDF {
		return c, checkPDF(data)
	}
	select {
	case s.decoding <- struct{}{}:
		defer func() { <-s.decoding }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	c.Data, c.Width, c.Height, err = encodeAnew(media, data)
	if err != nil {
		return nil, err
	}
	return c, nil
}

const whatIsTaken = "请上传 JPG、PNG 图片或 PDF 文件。"

// mediaOf tells a file's type by its first bytes.
func mediaOf(data []byte) (Media, error) {
	switch {
	case len(data) == 0:
		return "", refused("文件是空的，请重新选择。")
	case len(data) > MaxBytes:
		return "", refused(fmt.Sprintf("文件超过 %d MB，请压缩后再上传；拍照时可选较小的尺寸。", MaxBytes>>20))
	case strings.HasPrefix(string(data[:min(len(data), 3)]), "\xff\xd8\xff"):
		return JPEG, nil
	case strings.HasPrefix(string(data[:min(len(data), 8)]), "\x89PNG\r\n\x1a\n"):
		return PNG, nil
	case strings.HasPrefix(string(data[:min(len(data), 5)]), "%PDF-"):
		return PDF, nil
	}
	return "", refused("不能识别这种文件。" + whatIsTaken)
}

// safeName makes of what the client called its file a name without folders,
// control characters, text direction marks or characters that a file system
// refuses; the extension is that of the content.
func safeName(name string, media Media) string {
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	name = strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError, unicode.IsControl(r), unicode.Is(unicode.Cf, r), r == '\u2028', r == '\u2029':
			return -1
		case strings.ContainsRune(`<>:"|?*;%'`, r):
			return '_'
		case unicode.IsSpace(r):
			return ' '
		}
		return r
	}, name)
	if i := strings.LastIndexByte(name, '.'); i >= 0 && len(name)-i <= 6 {
		name = name[:i]
	}
	name = strings.Trim(name, ". ")
	if r := []rune(name); len(r) > maxNameRunes {
		name = strings.TrimRight(string(r[:maxNameRunes]), ". ")
	}
	if name == "" {
		name = "文件"
	}
	return name + extensions[media]
}

// Object splits "application:12".
func splitObject(object string) (kind string, id int64, err error) {
	kind, digits, ok := strings.Cut(object, ":")
	id, parseErr := strconv.ParseInt(digits, 10, 64)
	if !ok || parseErr != nil || id <= 0 {
		return "", 0, fmt.Errorf("file: object %q is not kind:id", object)
	}
	return kind, id, nil
}
