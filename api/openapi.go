package api

import (
	_ "embed"

	"unioncard/api/page"
)

// openAPI is the hand-written description of every route below. Every answer in
// the tests is checked against it.
//
//go:embed openapi.yaml
var openAPI []byte

// newDocs renders the documentation with the problems of the one table. It
// panics if what is built into the program is broken, which any test of the
// router shows.
func newDocs(rows []row) *page.Docs {
	var list []page.Problem
	for i := range rows {
		p := &rows[i].problem
		list = append(list, page.Problem{Code: p.code, Title: p.title, Detail: p.detail, Fix: p.fix, Status: p.status})
	}
	list = append(list, page.Problem{
		Code: internal.code, Title: internal.title, Detail: internal.detail, Fix: internal.fix, Status: internal.status,
	})
	docs, err := page.NewDocs(openAPI, list)
	if err != nil {
		panic(err)
	}
	return docs
}
