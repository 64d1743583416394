// Package batch issues and renews cards in bulk, and follows them to the members.
//
// # A batch
//
// A batch belongs to a union and reaches the members of that union and of all
// below it. It has a target and a date by which to reach it (article 22's deadlines
// are such). An issuing batch gives every member without a live card one, inactive;
// a renewing batch moves active cards that run out by a month to a later one.
//
//	planned → running → done → closed
//	done → running (members who came since), running → done (stopped), planned → closed
//
// While it runs, a worker of any node takes its members chunk by chunk, each chunk
// one transaction with the place reached, so that a node that dies loses nothing
// and repeats nothing.
//
// # Cards in hand
//
// Of an issuing batch the card maker gets print files: each card stands in one of
// them, and in a later one again when it was replaced; one printed by itself, in one
// of its own. A print file holds full
// names, so every download is an event with its reason. Cards are then handed out
// (delivered) and activated, by the member's phone or by a clerk. How many were
// issued, delivered and activated is kept by batch and territory and added up for
// each office's area.
package batch

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"unioncard/card"
)

// Kind is what a batch does.
type Kind uint8

// The kinds.
const (
	Issue Kind = 1
	Renew Kind = 2
)

// Status is how far a batch is.
type Status uint8

// The statuses.
const (
	StatusNone Status = 0
	Planned    Status = 1
	Running    Status = 2
	Done       Status = 3
	Closed     Status = 4
)

var statusNames = [...]string{"none", "planned", "running", "done", "closed"}

func (s Status) String() string {
	if int(s) < len(statusNames) {
		return statusNames[s]
	}
	return "unknown"
}

// Action is what can be done to a batch.
type Action string

// The actions.
const (
	Start  Action = "start"
	Stop   Action = "stop"
	Finish Action = "finish" // by the worker, after the last member
	Close  Action = "close"
)

// moves is the whole state machine. Closed is final.
var moves = [...]struct {
	from   Status
	action Action
	to     Status
}{
	{Planned, Start, Running},
	{Done, Start, Running},
	{Running, Stop, Done},
	{Running, Finish, Done},
	{Planned, Close, Closed},
	{Done, Close, Closed},
}

// Next is the status after an action, or a *MoveError.
func (s Status) Next(a Action) (Status, error) {
	for _, m := range moves {
		if m.from == s && m.action == a {
			return m.to, nil
		}
	}
	return s, &MoveError{a, s}
}

// MoveError is an action that the batch's status does not allow.
type MoveError struct {
	Action Action
	From   Status
}

func (e *MoveError) Error() string {
	return fmt.Sprintf("batch: can't %s one that is %s", e.Action, e.From)
}

var (
	// ErrNotFound: no such batch, file or card in the territory asked for.
	ErrNotFound = errors.New("batch: not found")
	// ErrChanged: somebody changed the batch since it was shown.
	ErrChanged = errors.New("batch: changed meanwhile")
	// ErrNothing: no card is left to do it to.
	ErrNothing = errors.New("batch: no card to do it to")
)

// Draft is what a clerk says of a batch.
type Draft struct {
	Kind    Kind
	UnionID int64
	Title   string
	Target  int       // cards
	DueOn   time.Time // a date
	// ValidUntil is the last month of the cards issued or renewed; Expiring, of a
	// renewal, the last month of those taken: cards valid longer stay.
	ValidUntil, Expiring card.Month
}

// Fault is one field at fault, with a sentence that says what to do about it.
type Fault struct{ Field, Message string }

// The bounds of a batch.
const (
	maxTitle  = 60 // characters
	maxTarget = 20_000_000
	// maxYears: cards are valid this long at most, and dates lie this near.
	maxYears = 20
)

// Check returns the fields at fault, seen on a day.
func (d *Draft) Check(today time.Time) (bad []Fault) {
	add := func(field, message string) { bad = append(bad, Fault{field, message}) }
	if n := utf8.RuneCountInString(strings.TrimSpace(d.Title)); n == 0 || n > maxTitle {
		add("title", "请给批次起个名字，最多 60 个字，例如“2026 年秋季新会员”。")
	}
	if d.Kind != Issue && d.Kind != Renew {
		add("kind", "请选择发新卡还是续期。")
	}
	if d.Target < 1 || d.Target > maxTarget {
		add("target", "请填写计划张数，至少 1 张。")
	}
	if d.DueOn.Before(today.AddDate(-1, 0, 0)) || d.DueOn.After(today.AddDate(maxYears, 0, 0)) {
		add("due_on", "请填写完成期限，今天以后的日期。")
	}
	now := card.MonthOf(today)
	if d.ValidUntil < now || d.ValidUntil > now+12*maxYears {
		add("valid_until", "请填写有效期至，本月以后、20 年以内的月份。")
	}
	if d.Kind == Renew && d.Expiring >= d.ValidUntil {
		add("expiring", "新的有效期要比原来的晚。")
	}
	return bad
}

// Batch is a batch as stored, with what it has come to.
type Batch struct {
	Draft
	ID                           int64
	Union, Path                  string // the union's name and path
	Status                       Status
	Version                      int64
	Issued, Delivered, Activated int
	// Members are those to go through in this run, Seen of them gone through.
	Members, Seen int64
	// Failed is how often in a row the run's last step failed.
	Failed              int
	CreatedAt           time.Time
	StartedAt, FinishAt *time.Time
}

// Overdue reports whether the date has passed with the target not reached: cards
// issued of a new batch, activated ones do not count against the office.
func (b *Batch) Overdue(today time.Time) bool {
	return b.Status != Closed && b.Issued < b.Target && b.DueOn.Before(today)
}

// TimeLeft is how long the run still takes at its pace, 0 if unknown.
func (b *Batch) TimeLeft(now time.Time) time.Duration {
	if b.Status != Running || b.StartedAt == nil || b.Seen == 0 || b.Seen >= b.Members {
		return 0
	}
	return time.Duration(float64(now.Sub(*b.StartedAt)) / float64(b.Seen) * float64(b.Members-b.Seen))
}
