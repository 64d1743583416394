package api

import (
	"unioncard/api/exchange"
	"unioncard/api/phone"
	"unioncard/card/union/staff"
)

// PeopleRoute is one line of the table of people's routes (routes_people.go), as
// the test of rights reads it.
type PeopleRoute struct {
	Method, Path string
	// Right is what the console asks of an account; "" for a page that is open to
	// everybody.
	Right staff.Right
	// Object is the kind of object that :id names, "" without one.
	Object string
	// Upload: the form may carry files.
	Upload bool
}

// PeopleRoutes lists every page there is, from the very table that the router is
// built of.
func PeopleRoutes() []PeopleRoute {
	s := &server{people: &People{}} // the handlers are named, not called
	var out []PeopleRoute
	for _, r := range s.peopleRoutes() {
		out = append(out, PeopleRoute{Method: r.method, Path: r.path, Right: r.right, Object: r.object, Upload: r.media == exchange.MediaUpload || r.media == exchange.MediaStream})
	}
	return out
}

// PhoneRoutes lists what a phone may ask for, as "METHOD path", from the very table
// that the router is built of.
func PhoneRoutes() []string {
	s := &server{people: &People{Phone: &phone.Handlers{}}} // the handlers are named, not called
	var out []string
	for _, r := range s.phoneRoutes() {
		out = append(out, r.name())
	}
	return out
}
