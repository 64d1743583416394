package settlement

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"unioncard/card/union/event"
	"unioncard/merchant"
	"unioncard/merchant/account"
	"unioncard/settlement/ledger"
)

// LineAnswer is what the bank says of a line.
type LineAnswer struct {
	No  int32
	Fen int64 // must be the line's
	// Paid: the money has arrived; else the bank has returned it.
	Paid bool
	Ref  string // the bank's own number
	Note string // why it came back
}

// Answered is what an answer did.
type Answered struct {
	Paid, Returned int // lines
	Known          int // said before: nothing was done
	Done           bool
}

// maxProblems bounds how many faults of an answer are told at once.
const maxProblems = 20

// Answer takes in what the bank says of a payment's lines: all of it or nothing. What
// was said before is said again without harm, so a file may be loaded twice; a paid
// line may come back later, a returned one can't be paid any more. merchant.FieldErrors
// (field "answer") for what does not fit, merchant.ErrNotFound, ErrNotSent. The
// payment's row lock keeps two answers apart.
func (s *Store) Answer(ctx context.Context, by merchant.By, id int64, answers []LineAnswer) (done Answered, err error) {
	answers = slices.SortedFunc(slices.Values(answers), func(a, b LineAnswer) int { return cmp.Compare(a.No, b.No) })
	err = merchant.InTxAgain(ctx, s.db, "settlement", func(tx pgx.Tx) error {
		done = Answered{}
		day, err := openDay(ctx, tx)
		if err != nil {
			return err
		}
		p, err := lockPayment(ctx, tx, id, 0)
		if err != nil {
			return err
		}
		if p.FileSHA256 == nil {
			return ErrNotSent
		}
		news, err := s.compareAnswers(ctx, tx, p, answers, &done)
		if err != nil || len(news) == 0 {
			return err
		}
		if err := s.book(ctx, tx, p, day, news); err != nil {
			return err
		}
		return s.finish(ctx, tx, by, p, &done)
	})
	return done, err
}

// AnswerAll says that every line of a payment that waits is paid. Errors as Answer.
func (s *Store) AnswerAll(ctx context.Context, by merchant.By, id int64, ref string) (Answered, error) {
	rows, err := s.db.Query(ctx, `SELECT no, fen FROM payment_lines WHERE payment_id = $1 AND state = 'waiting' ORDER BY no`, id)
	if err != nil {
		return Answered{}, fmt.Errorf("settlement.AnswerAll: %w", err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (LineAnswer, error) {
		a := LineAnswer{Paid: true, Ref: ref}
		return a, row.Scan(&a.No, &a.Fen)
	})
	if err != nil {
		return Answered{}, fmt.Errorf("settlement.AnswerAll: %w", err)
	}
	return s.Answer(ctx, by, id, all)
}

// bookedLine is a line that an answer changes.
type bookedLine struct {
	LineAnswer
	merchant int64
	was      LineState
	doc      uuid.UUID
}

func (b *bookedLine) state() LineState {
	if b.Paid {
		return LinePaid
	}
	return LineReturned
}

// compareAnswers holds sorted answers against the lines and keeps what is new.
func (s *Store) compareAnswers(ctx context.Context, tx pgx.Tx, p *Payment, answers []LineAnswer, done *Answered) ([]bookedLine, error) {
	lines, err := readLines(ctx, tx, p.ID)
	if err != nil {
		return nil, err
	}
	var bad merchant.FieldErrors
	var news []bookedLine
	for i, a := range answers {
		was, ok := lines[a.No]
		problem := ""
		switch {
		case !ok:
			problem = "这个付款批次里没有这一笔"
		case i > 0 && answers[i-1].No == a.No:
			problem = "出现了两次"
		case a.Fen != was.Fen:
			problem = fmt.Sprintf("金额是 %s 元，批次里是 %s 元", yuan(a.Fen), yuan(was.Fen))
		case utf8.RuneCountInString(a.Ref) > 100 || utf8.RuneCountInString(a.Note) > maxReason:
			problem = "银行流水号或说明太长"
		case !a.Paid && strings.TrimSpace(a.Note) == "" && was.was != LineReturned:
			problem = "请写明银行为什么退回"
		case a.Paid && was.was == LineReturned:
			problem = "已经登记为退回，不能再登记为付讫；款项要重新付"
		}
		if problem != "" {
			if len(bad) < maxProblems {
				bad.Add("answer", fmt.Sprintf("第 %d 笔：%s", a.No, problem))
			}
			continue
		}
		b := bookedLine{LineAnswer: a, merchant: was.merchant, was: was.was, doc: was.doc}
		switch {
		case b.state() == was.was:
			done.Known++
			continue
		case a.Paid:
			done.Paid++
		default:
			done.Returned++
		}
		news = append(news, b)
	}
	return news, bad.Err()
}

func readLines(ctx context.Context, tx pgx.Tx, id int64) (map[int32]bookedLine, error) {
	rows, err := tx.Query(ctx, `SELECT no, merchant_id, fen, state, doc FROM payment_lines WHERE payment_id = $1`, id)
	if err != nil {
		return nil, fmt.Errorf("settlement: lines: %w", err)
	}
	lines := map[int32]bookedLine{}
	var b bookedLine
	_, err = pgx.ForEachRow(rows, []any{&b.No, &b.merchant, &b.Fen, &b.was, &b.doc}, func() error {
		lines[b.No] = b
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("settlement: lines: %w", err)
	}
	return lines, nil
}

// book writes the new states of lines and their statements, and the transfers: of a
// line paid, and of one that comes back after it was paid.
func (s *Store) book(ctx context.Context, tx pgx.Tx, p *Payment, day ledger.Day, news []bookedLine) error {
	var transfers []ledger.Transfer
	var paid, returned []int64
	nos, states, refs, notes := []int32{}, []string{}, []string{}, []string{}
	for _, b := range news {
		nos, states = append(nos, b.No), append(states, string(b.state()))
		refs, notes = append(refs, b.Ref), append(notes, b.Note)
		t := ledger.Transfer{MerchantID: b.merchant, Day: day, Doc: b.doc, Kind: ledger.Paying,
			Debit: ledger.Merchant(b.merchant), Credit: ledger.Payment(p.ID), Fen: b.Fen}
		switch {
		case b.Paid:
			paid = append(paid, b.merchant)
			transfers = append(transfers, t)
		case b.was == LinePaid:
			t.Seq, t.Kind, t.Debit, t.Credit = 1, ledger.PaymentReturned, t.Credit, t.Debit
			transfers = append(transfers, t)
			fallthrough
		default:
			returned = append(returned, b.merchant)
		}
	}
	_, err := tx.Exec(ctx, `UPDATE payment_lines l SET state = u.state, bank_ref = CASE u.ref WHEN '' THEN l.bank_ref ELSE u.ref END,
			note = u.note, answered_at = $6
		FROM unnest($2::integer[], $3::text[], $4::text[], $5::text[]) AS u (no, state, ref, note)
		WHERE l.payment_id = $1 AND l.no = u.no`, p.ID, nos, states, refs, notes, s.now())
	if err != nil {
		return fmt.Errorf("settlement: book lines: %w", err)
	}
	_, err = tx.Exec(ctx, `UPDATE statements SET state = 'paid', version = version + 1
		WHERE payment_id = $1 AND merchant_id = ANY ($2) AND state IN ('confirmed', 'resolved')`, p.ID, paid)
	if err == nil {
		_, err = tx.Exec(ctx, `UPDATE statements SET state = CASE state WHEN 'paid' THEN 'confirmed' ELSE state END,
			payment_id = NULL, version = version + 1 WHERE payment_id = $1 AND merchant_id = ANY ($2)`, p.ID, returned)
	}
	if err != nil {
		return fmt.Errorf("settlement: book statements: %w", err)
	}
	if err := tellPaid(ctx, tx, p, news); err != nil {
		return err
	}
	return ledger.Post(ctx, tx, transfers...)
}

// tellPaid tells merchants that they were paid, or why they were not.
func tellPaid(ctx context.Context, tx pgx.Tx, p *Payment, news []bookedLine) error {
	who, texts := []int64{}, []string{}
	for _, b := range news {
		yuan := fmt.Sprintf("%d.%02d 元", b.Fen/100, b.Fen%100)
		text := "工会付款 " + yuan + " 已到账（" + p.Number() + "），结算日期 " + p.From.String() + " 至 " + p.Until.String() + "。"
		if !b.Paid {
			text = "工会付款 " + yuan + " 被银行退回（" + p.Number() + "）。请核对收款账户，有变动的带证明材料到签约工会办理；这些结算单会再付。"
		}
		who, texts = append(who, b.merchant), append(texts, text)
	}
	return account.NotifyEach(ctx, tx, who, texts, account.Notice{Kind: "statement.paid", For: account.Money, URL: "/portal/statements"})
}

// finish ends a payment whose last line was answered and records the answer.
func (s *Store) finish(ctx context.Context, tx pgx.Tx, by merchant.By, p *Payment, done *Answered) error {
	to := p.State
	if p.State == PaymentSent {
		var waiting int64
		err := tx.QueryRow(ctx, `SELECT count(*) FROM payment_lines WHERE payment_id = $1 AND state = 'waiting'`, p.ID).Scan(&waiting)
		if err != nil {
			return fmt.Errorf("settlement: waiting lines: %w", err)
		}
		if waiting == 0 {
			if to, err = p.next("answer"); err != nil {
				return err
			}
		}
	}
	done.Done = to == PaymentDone
	_, err := tx.Exec(ctx, `UPDATE payments SET state = $2, version = version + 1,
		done_at = CASE WHEN $2 = 'done' THEN coalesce(done_at, $3) END WHERE id = $1`, p.ID, string(to), s.now())
	if err != nil {
		return fmt.Errorf("settlement: answer: %w", err)
	}
	return recordPayment(ctx, tx, by, "payment.answer", p.ID, p.State, to, map[string]any{"paid": done.Paid, "returned": done.Returned})
}

// recordPayment writes the event of a payment's move.
func recordPayment(ctx context.Context, tx pgx.Tx, by merchant.By, action string, id int64, from, to PaymentState, more map[string]any) error {
	more["state"] = to
	return event.Record(ctx, tx, by.Actor, action, paymentObject(id), by.Reason, map[string]any{"state": from}, more)
}
