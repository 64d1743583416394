package card

import (
	"context"
	"sync/atomic"

	"github.com/jackc/pgx/v5"

	"unioncard/card/feed"
	"unioncard/card/union"
)

// Unions holds the present union tree of a node.
type Unions struct{ tree atomic.Pointer[union.Tree] }

// NewUnions holds an empty tree until the feed has loaded one.
func NewUnions() *Unions {
	u := &Unions{}
	u.tree.Store(new(union.Tree))
	return u
}

// Tree is the present tree, never nil.
func (u *Unions) Tree() *union.Tree { return u.tree.Load() }

// unionSource keeps Unions current. The tree is small and rarely changes, so any
// change reads it all.
type unionSource struct{ unions *Unions }

// NewUnionSource makes the feed source of the union tree.
func NewUnionSource(u *Unions) feed.Source { return unionSource{u} }

func (s unionSource) Kinds() []feed.Kind { return []feed.Kind{feed.KindUnion} }

func (s unionSource) Load(ctx context.Context, session feed.Session) error {
	return session.InSnapshot(ctx, s.read)
}

func (s unionSource) Apply(ctx context.Context, tx pgx.Tx, _ []feed.Change) error {
	return s.read(ctx, tx)
}

func (s unionSource) read(ctx context.Context, tx pgx.Tx) error {
	tree, err := union.Load(ctx, tx)
	if err != nil {
		return err
	}
	s.unions.tree.Store(tree)
	return nil
}
