package card

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMoves(t *testing.T) {
	t.Parallel()
	statuses := []Status{StatusNone, StatusActive, StatusSuspended, StatusLost, StatusCancelled, StatusLeft, StatusInactive}
	actions := []Action{ActionIssue, ActionPrepare, ActionActivate, ActionSuspend, ActionResume, ActionReportLost, ActionFound, ActionReplace, ActionCancel, ActionLeave}
	got := make(map[Status]map[Action]Status)
	for _, s := range statuses {
		got[s] = make(map[Action]Status)
		for _, a := range actions {
			to, err := s.Next(a)
			if err == nil {
				got[s][a] = to
				continue
			}
			if e, ok := errors.AsType[*MoveError](err); !ok || e.From != s || e.Action != a || to != s || e.Error() == "" {
				t.Errorf("%s of %s: %v, %v", a, s, to, err)
			}
		}
	}
	want := map[Status]map[Action]Status{
		StatusNone: {ActionIssue: StatusActive, ActionPrepare: StatusInactive},
		StatusInactive: {ActionActivate: StatusActive, ActionReportLost: StatusLost, ActionReplace: StatusInactive,
			ActionCancel: StatusCancelled, ActionLeave: StatusLeft},
		StatusActive: {ActionSuspend: StatusSuspended, ActionReportLost: StatusLost, ActionReplace: StatusActive,
			ActionCancel: StatusCancelled, ActionLeave: StatusLeft},
		StatusSuspended: {ActionResume: StatusActive, ActionReportLost: StatusLost, ActionReplace: StatusSuspended,
			ActionCancel: StatusCancelled, ActionLeave: StatusLeft},
		StatusLost: {ActionFound: StatusActive, ActionReplace: StatusActive, ActionCancel: StatusCancelled, ActionLeave: StatusLeft},
		// Final.
		StatusCancelled: {},
		StatusLeft:      {},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestUsable(t *testing.T) {
	t.Parallel()
	valid := monthOf(2027, time.December)
	before := time.Date(2027, 12, 31, 23, 59, 59, 999_999_999, time.FixedZone("", 8*3600))
	for _, c := range []struct {
		status Status
		at     time.Time
		want   error
	}{
		{StatusActive, before, nil},
		{StatusActive, before.Add(time.Nanosecond), ErrCardExpired},
		{StatusActive, time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC), ErrCardExpired},
		{StatusActive, time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC), nil},
		{StatusSuspended, before, ErrCardSuspended},
		{StatusLost, before.Add(time.Hour), ErrCardLost},
		{StatusCancelled, before, ErrCardCancelled},
		{StatusLeft, before, ErrMemberLeft},
		{StatusInactive, before, ErrCardInactive},
		{StatusNone, before, ErrCodeInvalid},
		{Status(7), before, ErrCodeInvalid},
	} {
		e := Entry{Status: c.status, ValidUntil: valid}
		if got := e.Usable(c.at); got != c.want {
			t.Errorf("%s at %v: %v, want %v", c.status, c.at, got, c.want)
		}
	}
}

func TestMonth(t *testing.T) {
	t.Parallel()
	for m := Month(0); m <= maxMonth; m++ {
		day := m.LastDay()
		if monthOfDate(day) != m || monthOfDate(day.AddDate(0, 0, 1)) != min(m+1, maxMonth) || day.AddDate(0, 0, 1).Day() != 1 {
			t.Fatalf("month %d: last day %v", m, day)
		}
	}
	for day, want := range map[string]Month{
		"2015-01-31": 0, "2016-02-29": 13, "2027-12-31": 155, "2100-04-30": 1023,
	} {
		if got := want.String(); got != day {
			t.Errorf("month %d: %s, want %s", want, got, day)
		}
	}
	e := Entry{ValidUntil: 155}
	if got := string(e.AppendValidUntil([]byte("bis "))); got != "bis 2027-12-31" {
		t.Error(got)
	}
	// Beijing's month, not UTC's.
	if got := MonthOf(time.Date(2027, 12, 31, 16, 0, 0, 0, time.UTC)); got != 156 {
		t.Errorf("new year's midnight in Beijing: month %d", got)
	}
}
