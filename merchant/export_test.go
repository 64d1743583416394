package merchant

import (
	"slices"
	"time"
)

// Dump is all that a snapshot shows, in a form that cmp.Diff compares.
type Dump struct {
	Merchants map[int64]Merchant
	Outlets   map[int64]DumpOutlet
	Terminals map[int64]Terminal
	Clients   map[string]int64
	Contracts map[int64]DumpContract
	Belongs   map[int64][]int64
	Floors    map[int64]DumpTerms
	Counts    Counts
	// Categories are the names by code.
	Categories map[string]string
}

// DumpOutlet is an outlet with its coverage.
type DumpOutlet struct {
	MerchantID, Version int64
	Name                string
	Territory           int32
	Status              OutletStatus
	Cover               []DumpCover
}

// DumpCover is one period of coverage.
type DumpCover struct {
	Contract    int64
	From, Until time.Time
}

// DumpTerms is a version of Terms or a floor.
type DumpTerms struct {
	Version     int32
	SHA256      [32]byte
	From, Until time.Time
	Compiled    bool
}

// DumpContract is a contract with its versions and lifts.
type DumpContract struct {
	MerchantID, OutletID, OfficeID, Version int64
	Status                                  ContractStatus
	Valid                                   DumpCover
	FloorClause                             bool
	Terms                                   []DumpTerms
	Due                                     []DumpCover // the floor, from the deadline
	Lifts                                   []DumpCover // From is that of the floor as the contract holds it
}

// DumpOf shows a snapshot whole.
func DumpOf(s *Snapshot) Dump {
	d := Dump{
		Merchants: map[int64]Merchant{}, Outlets: map[int64]DumpOutlet{}, Terminals: map[int64]Terminal{},
		Clients: map[string]int64{}, Contracts: map[int64]DumpContract{}, Belongs: map[int64][]int64{},
		Floors: map[int64]DumpTerms{}, Counts: s.Counts(), Categories: s.categories,
	}
	s.merchants.each(func(id int64, m *Merchant) { d.Merchants[id] = *m })
	s.terminals.each(func(id int64, t *Terminal) { d.Terminals[id] = *t })
	s.clients.each(func(id string, t *Terminal) { d.Clients[id] = t.ID })
	s.belongs.each(func(id int64, outlets []int64) { d.Belongs[id] = slices.Sorted(slices.Values(outlets)) })
	s.outlets.each(func(id int64, o *Outlet) {
		n := DumpOutlet{MerchantID: o.MerchantID, Version: o.Version, Name: o.Name, Territory: o.Territory, Status: o.Status}
		for _, c := range o.cover {
			n.Cover = append(n.Cover, DumpCover{c.contract, c.from, c.until})
		}
		d.Outlets[id] = n
	})
	s.contracts.each(func(id int64, c *Contract) {
		n := DumpContract{
			MerchantID: c.MerchantID, OutletID: c.OutletID, OfficeID: c.OfficeID, Version: c.Version, Status: c.Status,
			Valid: DumpCover{0, c.ValidFrom, c.ValidUntil}, FloorClause: c.FloorClause,
		}
		for _, v := range c.versions {
			n.Terms = append(n.Terms, DumpTerms{v.Version, v.SHA256, v.From, v.Until, v.Terms != nil})
		}
		for _, l := range c.lifts {
			if l.floor != s.floors[l.floor.ID] {
				panic("a contract holds an old form of a floor")
			}
			n.Lifts = append(n.Lifts, DumpCover{l.floor.ID, l.floor.From, l.until})
		}
		for _, l := range c.due {
			if l.floor != s.floors[l.floor.ID] {
				panic("a contract holds an old form of a floor")
			}
			n.Due = append(n.Due, DumpCover{l.floor.ID, l.from, l.until})
		}
		d.Contracts[id] = n
	})
	for id, f := range s.floors {
		d.Floors[id] = DumpTerms{f.Version, f.SHA256, f.From, f.Until, f.Terms != nil}
	}
	return d
}
