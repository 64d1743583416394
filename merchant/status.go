package merchant

import (
	"fmt"

	"github.com/jackc/pgx/v5"
)

// StatusSQL is the authoritative re-read that a purchase makes before it earns
// anything (invariant 4). It is one statement, fit for a pgx.Batch:
//
//	batch.Queue(merchant.StatusSQL, terminalIDs, outletIDs, contractIDs, at)
//	…
//	rows, err := results.Query()
//	statuses, err := merchant.CollectStatuses(rows)   // closes rows
//	if err := statuses.Check(terminalID, outletID, contractID); err != nil { refuse }
//
// $1, $2, $3 are bigint[] (duplicates are allowed but wasteful), $4 is the moment
// of the commit, or null for the database's clock. It returns (kind smallint, id bigint, status smallint)
// for what was found; what is absent is refused. An outlet's row speaks for its
// merchant too, a contract's for its renegotiations: past the deadline it is
// suspended, whether or not SuspendOverdue has come by. It takes no lock: run it in a Read Committed transaction after
// the purchases were queued, so that its snapshot is taken after any change that
// committed before they started.
const StatusSQL = `
SELECT 1::smallint, t.id, (CASE WHEN t.status = 'active' THEN 0 ELSE 1 END)::smallint
FROM terminals t WHERE t.id = ANY ($1::bigint[])
UNION ALL
SELECT 2::smallint, o.id, (CASE WHEN m.status = 'exited' THEN 2
                      WHEN o.status <> 'active' THEN 3
                      WHEN m.status <> 'active' THEN 4
                      ELSE 0 END)::smallint
FROM outlets o JOIN merchants m ON m.id = o.merchant_id WHERE o.id = ANY ($2::bigint[])
UNION ALL
SELECT 3::smallint, c.id, (CASE WHEN c.status = 'ended' THEN 5
                      WHEN upper(c.valid) <= n.at THEN 5
                      WHEN c.status = 'draft' THEN 6
                      WHEN lower(c.valid) > n.at THEN 6
                      WHEN c.status = 'suspended' THEN 4
                      WHEN EXISTS (SELECT FROM renegotiations r JOIN floors f ON f.id = r.floor_id
                          WHERE r.contract_id = c.id AND r.deadline <= n.at
                          AND (r.resolved_at IS NULL OR r.resolved_at > n.at) AND f.effective @> n.at) THEN 4
                      ELSE 0 END)::smallint
FROM contracts c, (SELECT coalesce($4::timestamptz, clock_timestamp()) AS at) n
WHERE c.id = ANY ($3::bigint[])`

// statusErrors is what the third column of StatusSQL means.
var statusErrors = [...]error{
	nil, ErrTerminalSuspended, ErrMerchantExited, ErrOutletClosed,
	ErrContractSuspended, ErrContractEnded, ErrNoContract,
}

// Statuses is what StatusSQL found; the zero value has found nothing.
type Statuses struct {
	found [3]map[int64]int16 // by kind: terminals, outlets, contracts
}

// CollectStatuses reads the rows of StatusSQL and closes them.
func CollectStatuses(rows pgx.Rows) (*Statuses, error) {
	s := &Statuses{}
	var kind, status int16
	var id int64
	_, err := pgx.ForEachRow(rows, []any{&kind, &id, &status}, func() error { return s.Add(kind, id, status) })
	if err != nil {
		return nil, fmt.Errorf("merchant: statuses: %w", err)
	}
	return s, nil
}

// Reset forgets what was found.
func (s *Statuses) Reset() {
	for i := range s.found {
		clear(s.found[i])
	}
}

// Add takes one row of StatusSQL, for callers that read rows by themselves.
func (s *Statuses) Add(kind int16, id int64, status int16) error {
	if kind < 1 || int(kind) > len(s.found) || status < 0 || int(status) >= len(statusErrors) {
		return fmt.Errorf("merchant: unknown status (%d, %d, %d)", kind, id, status)
	}
	if s.found[kind-1] == nil {
		s.found[kind-1] = map[int64]int16{}
	}
	s.found[kind-1][id] = status
	return nil
}

// Terminal says whether a terminal may act now: nil, ErrTerminalSuspended, or
// ErrNotFound.
func (s *Statuses) Terminal(id int64) error { return s.reason(0, id) }

// Outlet says whether an outlet and its merchant may earn now: nil,
// ErrMerchantExited, ErrOutletClosed, ErrContractSuspended (suspended merchant)
// or ErrNotFound.
func (s *Statuses) Outlet(id int64) error { return s.reason(1, id) }

// Contract says whether a contract earns at the moment asked for: nil,
// ErrContractEnded, ErrContractSuspended, ErrNoContract or ErrNotFound.
func (s *Statuses) Contract(id int64) error { return s.reason(2, id) }

// Check returns the first reason why a purchase by this terminal, in this outlet
// and under this contract may not earn, or nil.
func (s *Statuses) Check(terminalID, outletID, contractID int64) error {
	if err := s.Terminal(terminalID); err != nil {
		return err
	}
	if err := s.Outlet(outletID); err != nil {
		return err
	}
	return s.Contract(contractID)
}

func (s *Statuses) reason(kind int, id int64) error {
	status, ok := s.found[kind][id]
	if !ok {
		return ErrNotFound
	}
	return statusErrors[status]
}
