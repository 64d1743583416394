package event

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Filter is what a search asks for; zero fields ask for nothing.
type Filter struct {
	// Scope is the path of the asker's union: an event is found if its object's or
	// its actor's union lies there. All tells that the scope is the whole tree, and
	// with it what no union answers for.
	Scope string
	All   bool

	Who         string // who did it: an account's login, or a part of its name
	Kind        string // of the object
	ObjectID    string
	Action      string    // whole, or up to a '.': "contract" finds "contract.end"
	From, Until time.Time // Until is exclusive
	// Unlinked: also what has no link or no scope yet, as what was done a moment ago.
	// Only for the history of one object (Kind and ObjectID), of which the caller has
	// checked that it lies in the asker's territory.
	Unlinked bool

	// Mark is the id beside which the page lies, 0 for the newest; Newer: it lies on
	// the newer side, and the rows then come oldest first.
	Mark  int64
	Newer bool
	Limit int
}

// Found is one event of a search.
type Found struct {
	ID       int64
	At       time.Time
	Actor    Actor
	Who      string // the account's name, "" for an actor that is none
	Action   string
	Kind     string
	ObjectID string
	Reason   string
	Before   json.RawMessage
	After    json.RawMessage
	Seq      int64 // its link in the chain, 0 for one not linked yet
}

// Search finds linked events (but see Filter.Unlinked), newest first (but see Filter.Newer). Who complained is not shown: events
// by members and the keys of hidden are left blank, whoever asks.
func Search(ctx context.Context, db DB, f Filter) ([]Found, error) {
	if f.Scope == "" && !f.All {
		return nil, nil // an empty scope takes in nothing
	}
	order, beside := `DESC`, `($1::bigint = 0 OR e.id < $1)`
	if f.Newer {
		order, beside = `ASC`, `e.id > $1`
	}
	// Found from the scope's side, a search costs what the scope's own events do.
	scope := `e.id IN (SELECT s.event_id FROM unions u JOIN event_scopes s ON s.object_union = u.id WHERE starts_with(u.path, $2)
		UNION ALL SELECT s.event_id FROM unions u JOIN event_scopes s ON s.actor_union = u.id WHERE starts_with(u.path, $2))`
	if f.All {
		scope = `$2::text IS NOT NULL`
	}
	join := `JOIN`
	if f.Unlinked {
		if f.Kind == "" || f.ObjectID == "" {
			return nil, errors.New("event.Search: unlinked events of no object")
		}
		join, scope = `LEFT JOIN`, `(`+scope+` OR NOT EXISTS (SELECT FROM event_scopes n WHERE n.event_id = e.id))`
	}
	rows, err := db.Query(ctx, `SELECT e.id, e.at, e.actor, coalesce(st.name, ''), e.action, e.object_kind, e.object_id, e.reason, e.before, e.after, coalesce(c.seq, 0)
		FROM events e `+join+` event_chain c ON c.event_id = e.id
		LEFT JOIN staff st ON e.actor = 'staff:' || st.id
		WHERE `+beside+` AND `+scope+`
			AND ($3 = '' OR e.actor IN (SELECT 'staff:' || w.id FROM staff w WHERE w.login = lower($3) OR strpos(w.name, $3) > 0)) AND ($4 = '' OR e.object_kind = $4) AND ($5 = '' OR e.object_id = $5)
			AND ($6 = '' OR e.action = $6 OR starts_with(e.action, $6 || '.'))
			AND ($7::timestamptz IS NULL OR e.at >= $7) AND ($8::timestamptz IS NULL OR e.at < $8)
		ORDER BY e.id `+order+` LIMIT $9`,
		f.Mark, f.Scope, f.Who, f.Kind, f.ObjectID, f.Action, moment(f.From), moment(f.Until), f.Limit)
	if err != nil {
		return nil, fmt.Errorf("event.Search: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Found])
	if err != nil {
		return nil, fmt.Errorf("event.Search: %w", err)
	}
	for i := range found {
		found[i].hide()
	}
	return found, nil
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// hidden are the members of before and after that could tell who complained.
var hidden = []string{"complainant", "complainant_id", "member", "member_id", "card", "card_serial", "card_id", "holder", "phone", "contact"}

// Hidden stands for what is not shown.
const Hidden = "（不显示）"

// hide takes out who complained.
func (f *Found) hide() {
	if kind, _, ok := strings.Cut(f.Actor, ":"); ok && kind != "staff" && kind != "cli" {
		f.Actor = kind
	}
	if f.Kind == "member" || f.Kind == "card" || f.Kind == "cards" {
		f.ObjectID = ""
	}
	f.Before, f.After = withoutHidden(f.Before), withoutHidden(f.After)
}

// withoutHidden is a JSON document with hidden members blanked, at any depth.
// What can't be read is blanked whole.
func withoutHidden(doc json.RawMessage) json.RawMessage {
	if doc == nil {
		return nil
	}
	var v any
	d := json.NewDecoder(strings.NewReader(string(doc)))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return json.RawMessage(`"` + Hidden + `"`)
	}
	out, err := json.Marshal(conceal(v))
	if err != nil {
		return json.RawMessage(`"` + Hidden + `"`)
	}
	return out
}

func conceal(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name := range v {
			if slices.Contains(hidden, strings.ToLower(name)) {
				v[name] = Hidden
			} else {
				v[name] = conceal(v[name])
			}
		}
	case []any:
		for i := range v {
			v[i] = conceal(v[i])
		}
	}
	return v
}
