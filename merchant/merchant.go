package merchant

import (
	"errors"
	"fmt"
)

// What a till or a caller branches on. api/problem.go maps each to an answer.
var (
	// ErrNotFound: no such merchant, outlet, terminal, contract or floor, or not
	// one of this merchant's (outside scope reads as absent, invariant 9).
	ErrNotFound = errors.New("merchant: not found")
	// ErrMerchantExited: the merchant has left the network.
	ErrMerchantExited = errors.New("merchant: merchant has left the network")
	// ErrOutletClosed: the outlet is closed or suspended.
	ErrOutletClosed = errors.New("merchant: outlet is closed")
	// ErrTerminalSuspended: the terminal is suspended or retired.
	ErrTerminalSuspended = errors.New("merchant: terminal is suspended")
	// ErrTypedNotAllowed: card numbers may not be typed by hand at this terminal.
	ErrTypedNotAllowed = errors.New("merchant: typed card numbers are not allowed at this terminal")
	// ErrNoContract: no contract covers the outlet, or none has begun.
	ErrNoContract = errors.New("merchant: no contract covers the outlet")
	// ErrContractSuspended: the contract, or its merchant, is suspended.
	ErrContractSuspended = errors.New("merchant: contract is suspended")
	// ErrContractEnded: the contract that covered the outlet is over.
	ErrContractEnded = errors.New("merchant: contract has ended")
)

// errMerchantSuspended is what a suspended merchant's contract answers: to the
// cashier it is the same as a suspended contract.
var errMerchantSuspended = fmt.Errorf("merchant is suspended: %w", ErrContractSuspended)

// errOutletSuspended likewise: to the cashier a suspended outlet is a closed one.
var errOutletSuspended = fmt.Errorf("outlet is suspended: %w", ErrOutletClosed)

// InvalidError is input that can never be accepted, whatever the state.
type InvalidError struct {
	Field  string // the parameter, as named in Go
	Detail string
}

func (e *InvalidError) Error() string {
	return fmt.Sprintf("merchant: invalid %s: %s", e.Field, e.Detail)
}

// MoveError is a move that the state machine of a merchant, outlet, terminal or
// contract does not have.
type MoveError struct {
	Object string // "contract:12"
	From   string // the present status
	Action string // e.g. "resume"
}

func (e *MoveError) Error() string {
	return fmt.Sprintf("merchant: %s cannot %s while %s", e.Object, e.Action, e.From)
}

// move is one row of a state machine: in status from, action leads to status to.
type move[S ~string] struct {
	from   S
	action string
	to     S
}

// next looks an action up in a state machine; an absent row is a MoveError.
func next[S ~string](table []move[S], object string, from S, action string) (S, error) {
	for _, m := range table {
		if m.from == from && m.action == action {
			return m.to, nil
		}
	}
	return "", &MoveError{Object: object, From: string(from), Action: action}
}

// Trade is one of the policy's six trades (articles 5 and 18), or the union's
// own service windows (article 4).
type Trade string

// The trades, as stored.
const (
	TradeTravel    Trade = "travel"
	TradeCatering  Trade = "catering"
	TradeTransport Trade = "transport"
	TradeHealth    Trade = "health"
	TradeLeisure   Trade = "leisure"
	TradeShopping  Trade = "shopping"
	TradeUnion     Trade = "union"
)

// Title is the trade in Chinese, as the policy's articles 5 and 18 have it.
func (t Trade) Title() string {
	switch t {
	case TradeTravel:
		return "旅游"
	case TradeCatering:
		return "餐饮"
	case TradeTransport:
		return "出行"
	case TradeHealth:
		return "健康"
	case TradeLeisure:
		return "休闲娱乐"
	case TradeShopping:
		return "商业购物"
	case TradeUnion:
		return "工会服务窗口"
	}
	return string(t)
}

// Trades lists every trade, the six of the policy first.
func Trades() []Trade {
	return []Trade{TradeTravel, TradeCatering, TradeTransport, TradeHealth, TradeLeisure, TradeShopping, TradeUnion}
}

// MerchantStatus is where a merchant stands with the network.
type MerchantStatus string

// The statuses of a merchant, as stored. Exited is final.
const (
	MerchantActive    MerchantStatus = "active"
	MerchantSuspended MerchantStatus = "suspended"
	MerchantExited    MerchantStatus = "exited"
)

var merchantMoves = []move[MerchantStatus]{
	{MerchantActive, "suspend", MerchantSuspended},
	{MerchantSuspended, "resume", MerchantActive},
	{MerchantActive, "exit", MerchantExited},
	{MerchantSuspended, "exit", MerchantExited},
}

// Merchant is a company, or a union that runs service windows.
type Merchant struct {
	ID         int64
	OfficeID   int64 // the union whose office answers for it (article 18)
	Name       string
	Brand      string // "" if it has none of province-wide meaning
	Trade      Trade
	UnionOwned bool
	Status     MerchantStatus
	Version    int64
}

// Usable says whether the merchant's contracts may earn anything: nil,
// ErrMerchantExited, or ErrContractSuspended for a suspended one.
func (m *Merchant) Usable() error {
	switch m.Status {
	case MerchantActive:
		return nil
	case MerchantSuspended:
		return errMerchantSuspended
	default:
		return ErrMerchantExited
	}
}
