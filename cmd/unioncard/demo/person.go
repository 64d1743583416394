package demo

import (
	"fmt"
	"math/rand/v2"
	"time"

	"unioncard/card/personal"
)

// WorkerPhone is the number of a member with an active card, for signing in at /m.
const WorkerPhone = "13900000001"

// RosterSeed is that of the sample rosters for trying out: its persons are not yet
// members.
const RosterSeed = 2014

// person is the i-th of the many members: an invented resident ID (GB 11643) and
// phone number that no other of them has, nor anybody of a sample roster
// (card/roster/sample). Both are right in form and nobody's by intent: births are
// spread over forty years in a fixed order, sequences and numbers lie in ranges that
// neither the rosters nor the few members named in the documentation have.
func person(i int, name string, counties []int32) (personal.Person, error) {
	const days = 14_593 // a prime, about forty years; so that i counts through all of them
	born := time.Date(1965, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, i*7919%days)
	county := counties[i*31%len(counties)]
	sequence := 400 + (i/days+i%days*13)%499 // a date of birth has each once
	return invented(fmt.Sprintf("%06d%s%03d", county, born.Format("20060102"), sequence), phoneOf(i), name)
}

// invented completes a person whose resident ID lacks the check character.
func invented(idDigits, phone, name string) (personal.Person, error) {
	id, err := personal.CompleteResidentID(idDigits)
	if err != nil {
		return personal.Person{}, err
	}
	return personal.Person{ResidentID: string(id), Phone: phone, Name: name}, nil
}

// phoneOf is a number of its own for every i below 10^8: 48,271 is coprime to 10^8.
func phoneOf(i int) string {
	ranges := [...]string{"130", "131", "132", "133", "135", "136", "152", "155", "156", "157", "176", "177", "178", "180", "181", "185", "186", "189"}
	return fmt.Sprintf("%s%08d", ranges[i%len(ranges)], (i*48_271+12_345_678)%100_000_000)
}

func personName(rng *rand.Rand) string {
	// Squaring favours the first, most common surnames.
	f := rng.Float64()
	name := string(surnames[int(f*f*float64(len(surnames)))])
	if rng.IntN(200) == 0 {
		name = pick(rng, compoundSurnames)
	}
	name += string(pick(rng, givenChars))
	if rng.IntN(5) > 0 {
		name += string(pick(rng, givenChars))
	}
	return name
}
