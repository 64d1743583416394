// Package phone is the member's card on the phone: signing in by a code sent to
// the registered number, the session, and the enrolment of the one phone that may
// show codes without a network (policy article 4, one card for everything).
//
// # Signing in
//
// A code has six digits, is good for 5 minutes, 5 attempts and one session. What
// is stored of a number is its keyed hash (package personal), of a code a MAC.
// Known and unknown numbers get the same answer after the same work: a code is
// made, stored and counted for either, and only later, off the request, is it
// looked up whether the number is a member's and worth an SMS.
//
// # Enrolment
//
//	none ── Enrol ──> live ── Renew ──> live
//	live ── Enrol by another phone, with takeover ──> ended, the other is live
//	live ── a token that was used already ──> ended (copied), and every session
//	live ── SignOut, EndOthers, a changed number, leaving ──> ended
//
// Invariants: a member has at most one live enrolment (held by the database); a
// card's phone epoch belongs to one enrolment, so that whenever an enrolment ends
// its keys are dead with the commit or, of one that nobody was left to enrol
// after, at the latest when their two weeks are over; a renewal token is good
// once, and asked again once by a phone that lost the answer. Two copies of one
// phone's database therefore can not both renew twice: whoever comes with a token
// that is used up ends the enrolment for both.
//
// Everything is read and changed by the session's member, never by an id that a
// request names.
package phone
