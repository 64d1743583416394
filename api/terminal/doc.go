// Package terminal is the API for tills: activation, access tokens,
// verifications, purchases and their undoing (DESIGN, "Terminal API").
//
// A till holds an Ed25519 key of its own, proves it at the token endpoint
// (OAuth 2.0 client credentials with private_key_jwt, RFC 7523) and then sends a
// bearer token that is checked in memory; what a token proved is remembered.
// The terminal's present status is looked up in the merchant snapshot on every
// request, so a suspension works at once, whatever tokens are out.
//
// Handlers return errors; package api turns them into problem documents. The
// one exception is the token endpoint, whose errors are those of RFC 6749.
package terminal
