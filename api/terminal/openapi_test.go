package terminal_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
)

// openAPI is the document, read once a test process.
var openAPI = sync.OnceValues(func() (*described, error) {
	text, err := os.ReadFile("../openapi.yaml")
	if err != nil {
		return nil, err
	}
	doc, err := libopenapi.NewDocument(text)
	if err != nil {
		return nil, err
	}
	model, err := doc.BuildV3Model()
	if err != nil {
		return nil, err
	}
	return &described{
		model: &model.Model,
		check: validator.NewValidatorFromV3Model(&model.Model, config.WithFormatAssertions(), config.WithURLEncodedBodyValidation()),
	}, nil
})

type described struct {
	model *v3.Document
	check validator.Validator
	mu    sync.Mutex // the validator says nothing of concurrent use
}

func document(t testing.TB) *described {
	t.Helper()
	d, err := openAPI()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// everywhere lists the codes that any operation may answer: what goes wrong
// before the operation is looked at.
var everywhere = []string{
	"unauthorized", "terminal_suspended", "view_stale", "overloaded", "internal", "unsupported_media_type", "body_too_large",
	"body_incomplete", "invalid_json", "too_deep", "duplicate_key", "unknown_field", "wrong_type", "missing_field",
}

// checkAnswer holds an answer to the OpenAPI document: its status, headers, type
// and body, and that its problem's code is listed for the operation. A request
// that the service accepted must be right by the document too.
func checkAnswer(t testing.TB, req *http.Request, body []byte, res *http.Response, raw []byte) {
	t.Helper()
	d := document(t)
	d.mu.Lock()
	defer d.mu.Unlock()
	problem := strings.HasPrefix(res.Header.Get("Content-Type"), "application/problem+json")
	var p struct{ Code string }
	if problem {
		if err := json.Unmarshal(raw, &p); err != nil {
			t.Errorf("problem: %v: %s", err, raw)
		}
	}
	if p.Code == "route_not_found" || p.Code == "method_not_allowed" {
		return // by definition the document has no such operation
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	res.Body = io.NopCloser(bytes.NewReader(raw))
	if ok, faults := d.check.ValidateHttpResponse(req, res); !ok {
		for _, f := range faults {
			t.Errorf("%s %s → %d is not as openapi.yaml says: %s: %s: %v\n%s",
				req.Method, req.URL.Path, res.StatusCode, f.Message, f.Reason, f.SchemaValidationErrors, raw)
		}
	}
	// A batch answers each of its entries for itself, also those that are wrong.
	if res.StatusCode < 300 && !strings.HasSuffix(req.URL.Path, "/batch") {
		if ok, faults := d.check.ValidateHttpRequest(req); !ok {
			for _, f := range faults {
				t.Errorf("%s %s was accepted but openapi.yaml forbids it: %s: %s: %v",
					req.Method, req.URL.Path, f.Message, f.Reason, f.SchemaValidationErrors)
			}
		}
	}
	op := d.operation(req)
	if op == nil {
		t.Errorf("%s %s is not in openapi.yaml", req.Method, req.URL.Path)
		return
	}
	if problem && !slices.Contains(everywhere, p.Code) && !slices.Contains(codesOf(op), p.Code) {
		t.Errorf("%s %s answered %s, which openapi.yaml does not list for it", req.Method, req.URL.Path, p.Code)
	}
	checkHeaders(t, op, res)
}

// checkHeaders wants the headers that every answer has, and none that the
// document does not name.
func checkHeaders(t testing.TB, op *v3.Operation, res *http.Response) {
	t.Helper()
	if res.Header.Get("X-Request-Id") == "" {
		t.Errorf("%s: no X-Request-Id", op.OperationId)
	}
	for _, name := range []string{"Retry-After", "Idempotency-Replayed", "Location", "WWW-Authenticate"} {
		if res.Header.Get(name) == "" {
			continue
		}
		r := op.Responses.Codes.GetOrZero(strconv.Itoa(res.StatusCode))
		if r == nil || r.Headers == nil || r.Headers.GetOrZero(name) == nil {
			t.Errorf("%s → %d has %s, which openapi.yaml does not name", op.OperationId, res.StatusCode, name)
		}
	}
}

// operation finds what the document says of a request.
func (d *described) operation(req *http.Request) *v3.Operation {
	for path, item := range d.model.Paths.PathItems.FromOldest() {
		if !pathFits(path, req.URL.Path) {
			continue
		}
		if op := item.GetOperations().GetOrZero(strings.ToLower(req.Method)); op != nil {
			return op
		}
	}
	return nil
}

func pathFits(pattern, path string) bool {
	a, b := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] && !strings.HasPrefix(a[i], "{") {
			return false
		}
	}
	return true
}

func codesOf(op *v3.Operation) (codes []string) {
	node := op.Extensions.GetOrZero("x-problem-codes")
	if node == nil {
		return nil
	}
	for _, n := range node.Content {
		codes = append(codes, n.Value)
	}
	return codes
}
