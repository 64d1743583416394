package purchase

import (
	"time"

	"unioncard/merchant/terms"
)

// day is a business day: a calendar day in Beijing, counted from 1970-01-01.
type day int32

// beijing is UTC+8. Asia/Shanghai has had no summer time since 1992, so a fixed
// offset needs no time zone database.
var beijing = time.FixedZone("Asia/Shanghai", 8*3600)

const beijingOffset = 8 * 3600

// dayOf returns the day in Beijing at t.
func dayOf(t time.Time) day {
	s := t.Unix() + beijingOffset
	d := s / 86400
	if s%86400 < 0 {
		d--
	}
	return day(d)
}

// time returns the first moment of the day.
func (d day) time() time.Time {
	return time.Unix(int64(d)*86400-beijingOffset, 0).In(beijing)
}

// date returns the day at midnight UTC, as a date goes to PostgreSQL.
func (d day) date() time.Time { return time.Unix(int64(d)*86400, 0).UTC() }

// start returns the first day of the period of a limit that d lies in: the day
// itself, the Monday, the first of the month, or for a whole contract always the
// same day, as the contract is in the key beside it.
func (d day) start(p terms.Period) day { return day(p.Start(d.time())) }

// DayLock is the class (first key) of the advisory locks on business days; the
// second key is the day counted from 1970-01-01. Whoever stamps a day holds its
// lock shared, whoever closes it takes it exclusively, writes business_days and
// commits: nothing can be stamped with the day afterwards.
const DayLock = 0x62646179 // "bday"

// lockDaysSQL takes the locks of today and the two days after, so that a batch
// that runs into midnight or finds today closed holds what it needs; in one
// order, so that nobody waits in a circle. now() is the transaction's start: all
// its statements see one time and one day.
const lockDaysSQL = `
SELECT pg_current_xact_id()::text,
       pg_advisory_xact_lock_shared(` + dayLockText + `, d),
       pg_advisory_xact_lock_shared(` + dayLockText + `, d + 1),
       pg_advisory_xact_lock_shared(` + dayLockText + `, d + 2)
FROM (SELECT (now() AT TIME ZONE 'Asia/Shanghai')::date - date '1970-01-01') AS today (d)`

// businessDaySQL is the day to stamp: today, or the next if it is closed. It is
// only true in a statement that began after lockDaysSQL ended.
const businessDaySQL = `(SELECT min(t.d) FROM (
    SELECT (now() AT TIME ZONE 'Asia/Shanghai')::date + n AS d FROM generate_series(0, 2) AS n) AS t
  WHERE NOT EXISTS (SELECT FROM business_days b WHERE b.day = t.d AND b.closed_at IS NOT NULL))`

const dayLockText = "1650745721" // DayLock in decimal
