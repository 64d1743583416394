package exit

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/signing"
)

// The proposals by which contracts and merchants are stopped, started and ended.
const (
	KindSuspend = "contract.suspend"
	KindResume  = "contract.resume"
	KindEnd     = "contract.end"
)

// Kinds are the proposals of this package, for signing.Options: one person
// proposes, another approves, and the approval's transaction carries it out.
func (s *Store) Kinds() []signing.Kind {
	move := func(name, title, action string, do func(*merchant.Store, context.Context, merchant.By, int64) error) signing.Kind {
		return signing.Kind{
			Name: name, Title: title, Right: staff.WriteExit,
			Fingerprint: func(ctx context.Context, tx pgx.Tx, object string, _ json.RawMessage) (string, error) {
				return s.fingerprint(ctx, tx, object, action)
			},
			Apply: func(ctx context.Context, tx pgx.Tx, by merchant.By, p *signing.Proposal) error {
				id, ok := signing.ObjectID(p.Object, "contract")
				if !ok {
					return merchant.ErrNotFound
				}
				return do(merchant.NewStore(tx, s.clock), ctx, by, id)
			},
		}
	}
	return append(s.outletKinds(), []signing.Kind{
		move(KindSuspend, "暂停协议", "suspend", (*merchant.Store).SuspendContract),
		move(KindResume, "恢复协议", "resume", (*merchant.Store).ResumeContract),
		{
			Name: KindEnd, Title: "终止协议", Right: staff.WriteExit,
			Fingerprint: func(ctx context.Context, tx pgx.Tx, object string, payload json.RawMessage) (string, error) {
				var o Order
				if err := json.Unmarshal(payload, &o); err != nil {
					return "", fmt.Errorf("exit: order: %w", err)
				}
				action := "notice"
				if o.Kind == KindCause {
					action = "end"
				}
				return s.fingerprint(ctx, tx, object, action)
			},
			Apply: func(ctx context.Context, tx pgx.Tx, by merchant.By, p *signing.Proposal) error {
				var o Order
				if err := p.Decode(&o); err != nil {
					return err
				}
				o.PreparedAt = p.MadeAt
				id, ok := signing.ObjectID(p.Object, "contract")
				if !ok {
					return merchant.ErrNotFound
				}
				_, err := s.OrderTx(ctx, tx, by, id, o)
				return err
			},
		},
	}...)
}

// fingerprint is the contract's version, which every change of it raises. An
// action that the contract can't take now is refused (merchant.MoveError).
func (s *Store) fingerprint(ctx context.Context, tx pgx.Tx, object, action string) (string, error) {
	id, ok := signing.ObjectID(object, "contract")
	if !ok {
		return "", merchant.ErrNotFound
	}
	c, err := merchant.NewStore(tx, s.clock).Contract(ctx, id)
	if err != nil {
		return "", err
	}
	if _, err := merchant.NextStage(object, merchant.ContractStage(c.Status, false, false), action); err != nil {
		return "", err
	}
	return fmt.Sprintf("contract:%d:%d", c.ID, c.Version), nil
}

// ProposalGate keeps a contract open while something about it waits to be decided.
type ProposalGate struct{}

// Name is the gate's name.
func (ProposalGate) Name() string { return "proposals" }

// Open lists the proposals about the contract that wait.
func (ProposalGate) Open(ctx context.Context, tx pgx.Tx, contractID int64) ([]merchant.Blocker, error) {
	rows, err := tx.Query(ctx, `SELECT id FROM proposals WHERE object = $1 AND state = 'waiting' ORDER BY id`,
		fmt.Sprintf("contract:%d", contractID))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (merchant.Blocker, error) {
		var id int64
		err := row.Scan(&id)
		return merchant.Blocker{What: fmt.Sprintf("还有一件待审批的事项（第 %d 号），请先批准、驳回或撤回。", id),
			URL: fmt.Sprintf("/console/proposals/%d", id)}, err
	})
}

// RenewalGate keeps a contract that has run out open while its renewal is still
// being negotiated or signed: its terminals are wanted again, and a retired one
// can't come back. Giving the draft up closes the gate.
type RenewalGate struct{}

// Name is the gate's name.
func (RenewalGate) Name() string { return "renewal" }

// Open lists the renewals of the contract that are drafts.
func (RenewalGate) Open(ctx context.Context, tx pgx.Tx, contractID int64) ([]merchant.Blocker, error) {
	rows, err := tx.Query(ctx, `SELECT c.id FROM renewals r JOIN contracts c ON c.id = r.contract_id
		WHERE r.follows = $1 AND c.status = 'draft' ORDER BY c.id`, contractID)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (merchant.Blocker, error) {
		var id int64
		err := row.Scan(&id)
		return merchant.Blocker{What: fmt.Sprintf("续签协议（编号 %d）还没有签好，请签好发布，或放弃那份草稿。", id),
			URL: fmt.Sprintf("/console/contracts/%d", id)}, err
	})
}

// DraftGate keeps the exit of a merchant that is to leave the network open while
// the merchant has a draft contract: with it the merchant would stay, and nobody
// would be told. A renewal of the contract itself is RenewalGate's.
type DraftGate struct{}

// Name is the gate's name.
func (DraftGate) Name() string { return "drafts" }

// Open lists the merchant's draft contracts, if the contract's plan takes the
// merchant out of the network and it is still this office's to send away.
func (DraftGate) Open(ctx context.Context, tx pgx.Tx, contractID int64) ([]merchant.Blocker, error) {
	rows, err := tx.Query(ctx, `SELECT d.id FROM exit_plans p JOIN contracts c ON c.id = p.contract_id
		JOIN merchants m ON m.id = c.merchant_id JOIN unions mu ON mu.id = m.office_id JOIN unions o ON o.id = c.office_id
		JOIN contracts d ON d.merchant_id = c.merchant_id AND d.id <> c.id AND d.status = 'draft'
		WHERE p.contract_id = $1 AND p.state IN ('running', 'settling') AND p.merchant_leaves AND starts_with(mu.path, o.path)
		AND NOT EXISTS (SELECT FROM renewals r WHERE r.contract_id = d.id AND r.follows = c.id)
		ORDER BY d.id`, contractID)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (merchant.Blocker, error) {
		var id int64
		err := row.Scan(&id)
		return merchant.Blocker{What: fmt.Sprintf("商家要整体退出网络，但协议草稿（编号 %d）还在。请放弃那份草稿；要继续合作就签好发布，商家便留在网络里。", id),
			URL: fmt.Sprintf("/console/contracts/%d", id)}, err
	})
}
