package exchange

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Form is what a person filled in: fields and, from an upload, files.
type Form struct {
	url.Values
	Files []File
}

// File is one uploaded file, whole. Name and Type are the client's word only.
type File struct {
	Field, Name, Type string
	Data              []byte
}

// Bounds of a form.
const (
	maxFields = 4000
	maxFiles  = 20
)

// ErrForm: a form that cannot be read, or with too many fields.
var ErrForm = errors.New("exchange: form not readable")

// Form parses the body. Text that is not UTF-8 or holds NUL is refused. The
// values are copies and may be kept.
func (x *Exchange) Form() (*Form, error) {
	r := x.Gin.Request
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return nil, ErrForm
	}
	f := &Form{Values: url.Values{}}
	if media == string(MediaUpload) {
		err = f.upload(x.Body, params["boundary"])
	} else {
		f.Values, err = url.ParseQuery(string(x.Body))
	}
	if err != nil || !plain(f.Values) {
		return nil, ErrForm
	}
	return f, nil
}

func (f *Form) upload(body []byte, boundary string) error {
	parts := multipart.NewReader(bytes.NewReader(body), boundary)
	for n := 0; ; n++ {
		p, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if n == maxFields {
			return ErrForm
		}
		data, err := io.ReadAll(p)
		if err != nil {
			return err
		}
		if p.FileName() == "" && p.Header.Get("Content-Type") == "" {
			f.Add(p.FormName(), string(data))
			continue
		}
		if len(data) == 0 { // a file field left empty
			continue
		}
		if len(f.Files) == maxFiles {
			return ErrForm
		}
		f.Files = append(f.Files, File{p.FormName(), p.FileName(), p.Header.Get("Content-Type"), data})
	}
}

func plain(v url.Values) bool {
	n := 0
	for name, values := range v {
		n += len(values)
		if !clean(name) {
			return false
		}
		for _, s := range values {
			if !clean(s) {
				return false
			}
		}
	}
	return n <= maxFields
}

func clean(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

// Text is a field without the space around it, "" if absent.
func (f *Form) Text(name string) string { return strings.TrimSpace(f.Get(name)) }

// Int is a field as a whole number; false if it is none.
func (f *Form) Int(name string) (int64, bool) {
	n, err := strconv.ParseInt(f.Text(name), 10, 64)
	return n, err == nil
}

// File is the first file of a field, nil without one.
func (f *Form) File(name string) *File {
	for i := range f.Files {
		if f.Files[i].Field == name {
			return &f.Files[i]
		}
	}
	return nil
}

// ID is a path parameter as an object's id. ErrNoRoute if it is none, so that a
// silly id reads like one that does not exist.
func (x *Exchange) ID64(name string) (int64, error) {
	n, err := strconv.ParseInt(x.Gin.Param(name), 10, 64)
	if err != nil || n <= 0 {
		return 0, ErrNoRoute
	}
	return n, nil
}

// Query is a parameter of the address, "" if absent or not plain text.
func (x *Exchange) Query(name string) string {
	s := strings.TrimSpace(x.Gin.Query(name))
	if !clean(s) {
		return ""
	}
	return s
}

// Redirect sends the browser on (303), after a form.
func (x *Exchange) Redirect(to string) error {
	x.Status = http.StatusSeeOther
	x.SetHeader("Location", to)
	return nil
}

// HTMX reports whether a script of the page asks for a part of it.
func (x *Exchange) HTMX() bool { return x.Gin.GetHeader("HX-Request") == "true" }
