package main

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"unioncard/card"
	"unioncard/card/batch"
	"unioncard/card/roster"
	rostersample "unioncard/card/roster/sample"
	"unioncard/card/union"
	"unioncard/card/union/staff"
)

// membership furnishes the pages of members and cards: two grassroots unions with a
// member on the way from one to the other, a batch with its print file, a roster
// that was checked. It returns the addresses where a walk begins.
func (s *site) membership(t *testing.T) []string {
	t.Helper()
	ctx, by := t.Context(), card.By{Actor: "test", Reason: "测试"}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var county int64
	must(s.pool.QueryRow(ctx, `SELECT id FROM unions WHERE division = 410102`).Scan(&county))
	var works [2]union.Union
	for i, name := range []string{"甲厂工会委员会", "乙厂工会委员会"} {
		var err error
		works[i], err = s.node.cards.CreateUnion(ctx, by, union.Union{Kind: union.Grassroots, Name: name, ParentID: county})
		must(err)
	}
	var member int64
	for n := range 12 {
		id, err := s.node.members.Register(ctx, by, works[n%2].ID, rostersample.Person(7, n), 0)
		must(err)
		member = id
	}
	_, err := s.node.members.RequestTransfer(ctx, by, member, works[0].ID)
	must(err)
	made := s.issue(t, by, works[0])
	clerk := &staff.Account{UnionID: works[0].ID, Path: works[0].Path}
	must(s.pool.QueryRow(ctx, `SELECT id FROM staff WHERE login = 'registrar'`).Scan(&clerk.ID))
	var file bytes.Buffer
	_, err = rostersample.Write(&file, rostersample.Spec{Rows: 150, Faults: 30, Seed: 8})
	must(err)
	roll, err := s.node.rosters.Upload(ctx, clerk, works[0].ID, "甲厂名册.csv", &file)
	must(err)
	soon(t, time.Now(), time.Minute, "the roster's check", func() bool {
		r, err := s.node.rosters.Get(ctx, roll)
		must(err)
		return r.State == roster.Checked
	})
	var serial int64
	must(s.pool.QueryRow(ctx, `SELECT max(serial) FROM cards`).Scan(&serial))
	return []string{"/console", "/console/members", "/console/rosters", "/console/transfers", "/console/cards", "/console/batches", fmt.Sprintf("/console/members/%d", member), fmt.Sprintf("/console/unions/%d", works[0].ID),
		fmt.Sprintf("/console/batches/%d", made), fmt.Sprintf("/console/cards/%d", serial), fmt.Sprintf("/console/rosters/%d", roll)}
}

// issue issues cards to a union's members by a batch, with a print file.
func (s *site) issue(t *testing.T, by card.By, to union.Union) (id int64) {
	t.Helper()
	ctx := t.Context()
	id, err := s.node.batches.Create(ctx, by, batch.Draft{Kind: batch.Issue, UnionID: to.ID, Title: "甲厂发卡", Target: 20,
		DueOn: batch.Today(time.Now()).AddDate(0, 1, 0), ValidUntil: card.MonthOf(time.Now()) + 24})
	var b batch.Batch
	if err == nil {
		b, err = s.node.batches.Get(ctx, to.Path, id)
	}
	if err == nil {
		err = s.node.batches.Move(ctx, by, to.Path, id, b.Version, batch.Start)
	}
	if err != nil {
		t.Fatal(err)
	}
	soon(t, time.Now(), time.Minute, "the batch", func() bool {
		b, err := s.node.batches.Get(ctx, to.Path, id)
		return err != nil || b.Status == batch.Done
	})
	if _, err := s.node.batches.MakeFile(ctx, by, to.Path, id); err != nil {
		t.Fatal(err)
	}
	return id
}
