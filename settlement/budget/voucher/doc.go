// Package voucher keeps vouchers (消费券): series of a fixed number of packs, who
// holds which, and how members come by them.
//
// # Series
//
// A series is a budget of its own (package budget), whose money, packs × per_pack ×
// face, comes out of its parent budget when a second person approves it. A purchase
// that uses a voucher draws its face on the series' budget; so what vouchers can cost
// is held by the database before the first is given out.
//
// # Vouchers
//
// A voucher is one row: a card, a series and a number. It is held, used by a
// purchase, expired, or revoked. Using and giving back is the purchase's
// (settlement/purchase); this package gives out (claims, grants), lets expire and
// revokes. One pack a card and series, whether claimed or granted. It belongs to the
// card, whose holder may be given a new number or plastic and keeps it.
//
// # Claims
//
// Claimer answers a member who claims a pack: each claim has one definite answer, and
// claiming again what one has gives the first answer again. Packs are counted on the
// series' row under its lock (series_not_oversold stands behind), in batches, so that
// a crowd at the minute costs few transactions.
//
// # What always holds
//
// claimed ≤ packs, and claimed is the number of cards that hold or held a pack. A
// voucher of a member who left, or of a card that ended, is worth nothing while it
// is so, since the till refuses the card. No serial leaves this package but to the
// till's own state.
package voucher
