package ledger

import (
	"fmt"
	"strconv"
	"strings"
)

// Account is an account of the book: its kind in the top eight bits, an id in the
// rest. The zero Account is none.
type Account int64

// AccountKind is what an account is of.
type AccountKind int8

// The kinds of accounts. Their numbers are in the database and never change.
const (
	KindFund       AccountKind = 1 // where an office's union money comes from; id: the union
	KindBudget     AccountKind = 2 // a budget's or voucher series' money; id: the budget
	KindMerchant   AccountKind = 3 // what the union owes a merchant; id: the merchant
	KindDiscount   AccountKind = 4 // what a merchant bears itself; id: the merchant
	KindMembers    AccountKind = 5 // what members saved at merchants' cost; one account
	KindUnbudgeted AccountKind = 6 // union shares of before there were budgets; one account
	KindPayment    AccountKind = 7 // what went out with a payment batch; id: the batch
	KindAdjustment AccountKind = 8 // corrections of statements; id: the union that made them
)

// MaxID is the largest id an account can have.
const MaxID = 1<<idBits - 1

const idBits = 56

var kindNames = [...]string{
	KindFund: "fund", KindBudget: "budget", KindMerchant: "merchant", KindDiscount: "discount",
	KindMembers: "members", KindUnbudgeted: "unbudgeted", KindPayment: "payment", KindAdjustment: "adjustment",
}

// single says whether there is only one account of the kind.
func (k AccountKind) single() bool { return k == KindMembers || k == KindUnbudgeted }

// String returns the kind's name.
func (k AccountKind) String() string {
	if k < KindFund || int(k) >= len(kindNames) {
		return "kind_" + strconv.Itoa(int(k))
	}
	return kindNames[k]
}

// account returns the account of a kind; an id out of range gives the zero
// Account, which Post refuses.
func account(k AccountKind, id int64) Account {
	if id <= 0 || id > MaxID {
		return 0
	}
	return Account(int64(k)<<idBits | id)
}

// Fund is where the money of a union's budgets comes from.
func Fund(unionID int64) Account { return account(KindFund, unionID) }

// Budget is the money of a budget or a voucher series.
func Budget(budgetID int64) Account { return account(KindBudget, budgetID) }

// Merchant is what the union owes a merchant.
func Merchant(merchantID int64) Account { return account(KindMerchant, merchantID) }

// Discount is what a merchant bears of discounts itself.
func Discount(merchantID int64) Account { return account(KindDiscount, merchantID) }

// Members is what members saved at merchants' cost.
func Members() Account { return Account(int64(KindMembers) << idBits) }

// Unbudgeted paid the union's share of purchases recorded before there were budgets.
func Unbudgeted() Account { return Account(int64(KindUnbudgeted) << idBits) }

// Payment is what went out with a batch of payments.
func Payment(batchID int64) Account { return account(KindPayment, batchID) }

// Adjustment is what a union adjusts statements from.
func Adjustment(unionID int64) Account { return account(KindAdjustment, unionID) }

// Kind returns what the account is of.
func (a Account) Kind() AccountKind { return AccountKind(int64(a) >> idBits) }

// ID returns the id within the kind, 0 where the kind has one account only.
func (a Account) ID() int64 { return int64(a) & MaxID }

// Valid says whether there can be such an account.
func (a Account) Valid() bool {
	k := a.Kind()
	return k >= KindFund && int(k) < len(kindNames) && k.single() == (a.ID() == 0)
}

// String returns the account as kind:id, or the kind alone where it has one account.
func (a Account) String() string {
	if a.Kind().single() && a.ID() == 0 {
		return a.Kind().String()
	}
	return a.Kind().String() + ":" + strconv.FormatInt(a.ID(), 10)
}

// Parse reads what String wrote, and nothing else.
func Parse(s string) (Account, error) {
	name, digits, hasID := strings.Cut(s, ":")
	for k, n := range kindNames {
		if n == "" || n != name {
			continue
		}
		a := Account(int64(k) << idBits)
		if hasID {
			id, err := strconv.ParseInt(digits, 10, 64)
			if err != nil || id <= 0 || id > MaxID {
				break
			}
			a |= Account(id)
		}
		if a.Valid() && a.String() == s {
			return a, nil
		}
	}
	return 0, fmt.Errorf("ledger: %q is no account", s)
}
