package member

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"unioncard/card"
	"unioncard/card/personal"
	"unioncard/card/union"
	"unioncard/card/union/event"
)

// longestPhone is how many characters a phone number has at most as people write it
// (+86-138-0013-8000), blanks aside; a resident ID has 18, unless it is not one.
const longestPhone = 16

// Found is what a search for one person came to.
type Found struct {
	Member Member // zero if nobody was found
	Here   bool   // in the searcher's territory
	By     string // personal.FieldResidentID or personal.FieldPhone: what was looked for
}

// Search finds one person by resident ID or phone number as people write them, for
// somebody whose territory is the path scope and whose union is own. It is logged
// with what sort of value was looked for and whether that found anybody there, never
// with the value; an event names the member only inside the territory. A
// *personal.Fault for a text that is neither. Whoever is found outside is returned
// with Here false: the caller tells no more of them than it has to.
func (s *Store) Search(ctx context.Context, by card.By, scope string, own int64, text string) (Found, error) {
	f := Found{By: personal.FieldPhone}
	find := s.ByPhone
	if compact := strings.Join(strings.Fields(text), ""); len([]rune(compact)) > longestPhone {
		f.By, find = personal.FieldResidentID, s.ByResidentID
	}
	m, err := find(ctx, text)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return f, err
	}
	object := fmt.Sprintf("union:%d", own)
	if err == nil {
		f.Member, f.Here = m, union.InScope(scope, m.Path)
	}
	if f.Here {
		object = fmt.Sprintf("member:%d", m.ID)
	}
	err = card.InTx(ctx, s.db, func(tx pgx.Tx) error {
		return event.Record(ctx, tx, by.Actor, "member.search", object, by.Reason, nil, map[string]any{"by": f.By, "found": f.Here})
	})
	return f, err
}
