// Package page renders what people read in a browser. So far that is the
// documentation of the terminal API, made from the OpenAPI document itself.
package page

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"strings"

	"unioncard/api/exchange"
)

//go:embed docs.html
var docsTemplate string

//go:embed style.css
var styleSheet []byte

// Problem is one row of the list of problems.
type Problem struct {
	Code, Title, Detail, Fix string
	Status                   int
}

// Docs serves the OpenAPI document and the page made from it.
type Docs struct {
	openAPI, docs, style asset
}

// asset is an answer that never changes while the process runs.
type asset struct {
	contentType []string
	body        []byte
	etag        string
}

func newAsset(contentType string, body []byte) asset {
	sum := sha256.Sum256(body)
	return asset{[]string{contentType}, body, `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
}

// NewDocs renders the page once. An error means that the document or the
// template, both part of the program, are broken.
func NewDocs(openAPI []byte, problems []Problem) (*Docs, error) {
	data, err := readDocument(openAPI)
	if err != nil {
		return nil, fmt.Errorf("page.NewDocs: %w", err)
	}
	data.Problems = problems
	t, err := template.New("docs").Funcs(template.FuncMap{"paragraphs": paragraphs, "spans": spans}).Parse(docsTemplate)
	if err != nil {
		return nil, fmt.Errorf("page.NewDocs: %w", err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, data); err != nil {
		return nil, fmt.Errorf("page.NewDocs: %w", err)
	}
	return &Docs{
		openAPI: newAsset("application/yaml", openAPI),
		docs:    newAsset("text/html; charset=utf-8", out.Bytes()),
		style:   newAsset("text/css; charset=utf-8", styleSheet),
	}, nil
}

// OpenAPI answers GET /openapi.yaml.
func (d *Docs) OpenAPI(x *exchange.Exchange) error { return d.openAPI.send(x) }

// Style answers GET /docs/style.css.
func (d *Docs) Style(x *exchange.Exchange) error { return d.style.send(x) }

// contentPolicy lets the page load its own style sheet and nothing else.
const contentPolicy = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Docs answers GET /docs.
func (d *Docs) Docs(x *exchange.Exchange) error {
	x.SetHeader("Content-Security-Policy", contentPolicy)
	x.SetHeader("Referrer-Policy", "no-referrer")
	return d.docs.send(x)
}

func (a *asset) send(x *exchange.Exchange) error {
	x.SetHeader("ETag", a.etag)
	x.SetHeader("Cache-Control", "no-cache")
	x.SetHeader("X-Content-Type-Options", "nosniff")
	if x.Gin.GetHeader("If-None-Match") == a.etag {
		x.Status = http.StatusNotModified
		return nil
	}
	x.ContentType = a.contentType
	x.Out = append(x.Out, a.body...)
	return nil
}

// span is a piece of a line; Code is what stood between backquotes.
type span struct {
	Text string
	Code bool
}

// paragraphs cuts a description of the document into its lines, and those into
// their spans.
func paragraphs(s string) (lines [][]span) {
	for line := range strings.Lines(strings.TrimSpace(s)) {
		lines = append(lines, spans(strings.TrimSpace(line)))
	}
	return lines
}

// spans cuts a line into text and code. A backquote without its fellow is text.
func spans(line string) (out []span) {
	for line != "" {
		before, rest, open := strings.Cut(line, "`")
		code, after, closed := strings.Cut(rest, "`")
		if !open || !closed {
			return append(out, span{Text: line})
		}
		if before != "" {
			out = append(out, span{Text: before})
		}
		if code != "" {
			out = append(out, span{Text: code, Code: true})
		}
		line = after
	}
	return out
}
