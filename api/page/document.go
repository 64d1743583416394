package page

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
)

// document is what the page shows of an OpenAPI document.
type document struct {
	Title, Version, Summary, Description string
	Groups                               []group
	Schemas                              []schema
	Problems                             []Problem
}

// group is the operations under one tag.
type group struct {
	Name, Title string
	Operations  []operation
}

type operation struct {
	ID, Method, Path, Summary, Description string
	Open                                   bool // needs no access token
	Parameters                             []property
	Request                                string // name of the schema
	RequestType                            string
	Responses                              []response
	ProblemCodes                           []string
}

// response is what several statuses have in common.
type response struct {
	Statuses            []string
	Description, Schema string
}

type schema struct {
	Name, Description string
	Type              string
	Properties        []property
}

type property struct {
	Name, Type, Link, Description string
	Required                      bool
	Values                        []string
}

// node is an ordered object of the document.
type node = yaml.MapSlice

var errDocument = errors.New("not an OpenAPI document")

// readDocument reads what the page shows.
func readDocument(text []byte) (*document, error) {
	var root node
	if err := yaml.UnmarshalWithOptions(text, &root, yaml.UseOrderedMap()); err != nil {
		return nil, fmt.Errorf("%w: %w", errDocument, err)
	}
	info := object(root, "info")
	d := &document{
		Title: str(info, "title"), Version: str(info, "version"),
		Summary: str(info, "summary"), Description: str(info, "description"),
	}
	for _, tag := range list(root, "tags") {
		t, _ := tag.(node)
		d.Groups = append(d.Groups, group{Name: str(t, "name"), Title: str(t, "description")})
	}
	for _, path := range object(root, "paths") {
		item, _ := path.Value.(node)
		for _, method := range item {
			op, _ := method.Value.(node)
			d.add(root, fmt.Sprint(path.Key), fmt.Sprint(method.Key), op)
		}
	}
	for _, s := range object(object(root, "components"), "schemas") {
		def, _ := s.Value.(node)
		d.Schemas = append(d.Schemas, schema{
			Name: fmt.Sprint(s.Key), Description: str(def, "description"),
			Type: typeOf(def).Type, Properties: properties(def),
		})
	}
	if d.Title == "" || len(d.Schemas) == 0 {
		return nil, errDocument
	}
	return d, nil
}

// add puts an operation under its tag.
func (d *document) add(root node, path, method string, op node) {
	o := operation{
		ID: str(op, "operationId"), Method: strings.ToUpper(method), Path: path,
		Summary: str(op, "summary"), Description: str(op, "description"),
		Open: get(op, "security") != nil,
	}
	for _, p := range list(op, "parameters") {
		def := resolve(root, p)
		shown := typeOf(object(def, "schema"))
		shown.Name, shown.Description = str(def, "name"), str(def, "description")
		shown.Required, _ = get(def, "required").(bool)
		o.Parameters = append(o.Parameters, shown)
	}
	for _, media := range object(object(op, "requestBody"), "content") {
		def, _ := media.Value.(node)
		o.RequestType, o.Request = fmt.Sprint(media.Key), typeOf(object(def, "schema")).Link
	}
	for _, r := range object(op, "responses") {
		def := resolve(root, r.Value)
		shown := response{Statuses: []string{fmt.Sprint(r.Key)}, Description: str(def, "description")}
		for _, media := range object(def, "content") {
			content, _ := media.Value.(node)
			shown.Schema = typeOf(object(content, "schema")).Link
		}
		o.respond(shown)
	}
	for _, code := range list(op, "x-problem-codes") {
		o.ProblemCodes = append(o.ProblemCodes, fmt.Sprint(code))
	}
	tags := list(op, "tags")
	for i := range d.Groups {
		if len(tags) > 0 && d.Groups[i].Name == fmt.Sprint(tags[0]) {
			d.Groups[i].Operations = append(d.Groups[i].Operations, o)
		}
	}
}

// respond adds a response, to the one that says the same if there is one.
func (o *operation) respond(r response) {
	for i := range o.Responses {
		if have := &o.Responses[i]; have.Description == r.Description && have.Schema == r.Schema {
			have.Statuses = append(have.Statuses, r.Statuses...)
			return
		}
	}
	o.Responses = append(o.Responses, r)
}

// properties lists the members of an object schema.
func properties(def node) []property {
	required := map[string]bool{}
	for _, name := range list(def, "required") {
		required[fmt.Sprint(name)] = true
	}
	var out []property
	for _, p := range object(def, "properties") {
		inner, _ := p.Value.(node)
		shown := typeOf(inner)
		shown.Name = fmt.Sprint(p.Key)
		shown.Description = str(inner, "description")
		shown.Required = required[shown.Name]
		out = append(out, shown)
		// An object without a name of its own is shown in place.
		for _, sub := range properties(inner) {
			sub.Name = shown.Name + "." + sub.Name
			out = append(out, sub)
		}
	}
	return out
}

const schemaRef = "#/components/schemas/"

// typeOf describes a schema in a word, with a link when it has a name.
func typeOf(def node) property {
	if ref := str(def, "$ref"); ref != "" {
		name := strings.TrimPrefix(ref, schemaRef)
		return property{Type: name, Link: name}
	}
	var p property
	for _, v := range list(def, "enum") {
		p.Values = append(p.Values, fmt.Sprint(v))
	}
	switch kind := str(def, "type"); kind {
	case "array":
		inner := typeOf(object(def, "items"))
		p.Type, p.Link = inner.Type+"[]", inner.Link
	default:
		p.Type = kind
		if format := str(def, "format"); format != "" {
			p.Type += " (" + format + ")"
		}
	}
	return p
}

// resolve follows a reference within the document.
func resolve(root node, v any) node {
	def, _ := v.(node)
	ref := str(def, "$ref")
	if ref == "" {
		return def
	}
	def = root
	for _, part := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
		def = object(def, part)
	}
	return def
}

func get(n node, key string) any {
	for _, item := range n {
		if item.Key == key {
			return item.Value
		}
	}
	return nil
}

func object(n node, key string) node { v, _ := get(n, key).(node); return v }
func list(n node, key string) []any  { v, _ := get(n, key).([]any); return v }
func str(n node, key string) string  { v, _ := get(n, key).(string); return v }
