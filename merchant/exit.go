package merchant

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// ExitGate is something that must be closed before a contract is done with: an
// open complaint, an unpaid statement. The packages that know of such things
// provide gates; cmd hands them to merchant/exit.
type ExitGate interface {
	// Name is the gate's stable name, as "complaints".
	Name() string
	// Open lists what is still open of a contract, empty if nothing is. It reads in
	// the transaction that is about to finish the exit.
	Open(ctx context.Context, tx pgx.Tx, contractID int64) ([]Blocker, error)
}

// Blocker is one thing that keeps a contract from being done with.
type Blocker struct {
	Gate string
	// What it is and what to do about it, in Chinese; never a personal value.
	What string
	// URL is where the office deals with it in the console, "" if nowhere.
	URL string
}
