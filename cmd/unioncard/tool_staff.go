package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"unioncard/card/union/staff"
)

const staffUsage = `
  staff create LOGIN --name NAME --roles operator[,…] [--union ID] --reason WHY
                                                in the root union unless said; prints a one-time password
  staff reset LOGIN [--second-factor] --reason WHY
                                                a new one-time password; --second-factor true forgets that too
  staff list                                    who there is
  staff roles                                   the roles and what they may do
`

// runStaff makes the first accounts of an installation, and helps one back in
// whose last operator is gone. Everything else is the console's.
func runStaff(ctx context.Context, p *program, args []string) error {
	own := map[string]string{"reason": "", "name": "", "roles": "", "union": "", "second-factor": "false"}
	t, err := openTool(ctx, p, args, own, false)
	if err != nil {
		return err
	}
	defer t.pool.Close()
	// No password is chosen or checked here, so the defaults do.
	store := staff.NewStore(t.pool, staff.Options{Clock: time.Now})
	switch {
	case len(t.args) == 2 && t.args[0] == "create":
		return t.createStaff(ctx, store)
	case len(t.args) == 2 && t.args[0] == "reset":
		return t.resetStaff(ctx, store)
	case len(t.args) == 1 && t.args[0] == "list":
		return t.listStaff(ctx, store)
	case len(t.args) == 1 && t.args[0] == "roles":
		for _, r := range staff.Roles() {
			if _, err := fmt.Fprintf(t.stdout, "%-18s%v\n", r, r.Rights()); err != nil {
				return err
			}
		}
		return nil
	}
	return wantOneOf(staffUsage)
}

func (t *tool) staffBy() (staff.By, error) {
	who, why, err := t.by()
	return staff.By{Actor: who, Reason: why}, err
}

func (t *tool) createStaff(ctx context.Context, store *staff.Store) error {
	by, err := t.staffBy()
	if err != nil {
		return err
	}
	var roles []staff.Role
	for name := range strings.SplitSeq(t.own["roles"], ",") {
		r := staff.Role(strings.TrimSpace(name))
		if !slices.Contains(staff.Roles(), r) {
			return fmt.Errorf("--roles: want some of %v, not %q", staff.Roles(), name)
		}
		roles = append(roles, r)
	}
	union := int64(0)
	if t.own["union"] != "" {
		if union, err = t.number("union", 1, 1<<62); err != nil {
			return err
		}
	} else if union, err = store.RootUnion(ctx); err != nil {
		return fmt.Errorf("--union: %w", err)
	}
	once := store.NewOneTime()
	id, err := store.Create(ctx, by, staff.NewAccount{
		Login: t.args[1], Name: t.own["name"], UnionID: union, Roles: roles, Password: once.Password, OneTime: true,
	})
	if err != nil {
		return fields(err)
	}
	_, err = fmt.Fprintf(t.stdout, "account %d  login %s\none-time password %s  (until %s, to be changed at the first sign-in)\n",
		id, staff.CleanLogin(t.args[1]), once.Password, once.Until.In(beijing).Format("2006-01-02 15:04 -07:00"))
	return err
}

// fields shows what was wrong with each field.
func fields(err error) error {
	invalid, ok := err.(*staff.InvalidError) //nolint:errorlint // Create returns it as it is
	if !ok {
		return err
	}
	var said []string
	for _, f := range invalid.Fields {
		said = append(said, "--"+f.Field+": "+f.Message)
	}
	return fmt.Errorf("%s", strings.Join(said, "\n"))
}

func (t *tool) resetStaff(ctx context.Context, store *staff.Store) error {
	by, err := t.staffBy()
	if err != nil {
		return err
	}
	var factor bool
	if err := parseSwitch(t.own["second-factor"], &factor); err != nil {
		return fmt.Errorf("--second-factor: %w", err)
	}
	once, err := store.ResetByLogin(ctx, by, t.args[1], factor)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(t.stdout, "one-time password %s  (until %s, to be changed at the first sign-in)\nall sessions are ended\n",
		once.Password, once.Until.In(beijing).Format("2006-01-02 15:04 -07:00"))
	return err
}

func (t *tool) listStaff(ctx context.Context, store *staff.Store) error {
	for after := int64(0); ; {
		some, err := store.All(ctx, after, 500)
		if err != nil || len(some) == 0 {
			return err
		}
		for _, a := range some {
			state := "active"
			if a.Disabled {
				state = "disabled"
			}
			_, err := fmt.Fprintf(t.stdout, "%d\t%s\t%s\t%s\t%v\t%s\n", a.ID, a.Login, a.Name, a.Union, a.Roles, state)
			if err != nil {
				return err
			}
			after = a.ID
		}
	}
}
