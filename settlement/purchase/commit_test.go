package purchase

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestCommitRecordsTheQuote(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plan{})
	c := w.till(1)
	ans := w.quote(c, w.phone(3, 0), 10_000)
	got, err := w.committer.Commit(w.ctx, c, &CommitRequest{Key: "k1", Quote: string(ans.Token), MerchantRef: "小票 7"})
	w.must(err)
	want := Receipt{State: StateCommitted, AmountFen: 10_000, DiscountFen: 1_000, PayableFen: 9_000, MerchantShareFen: 1_000,
		Key: "k1", MerchantRef: "小票 7", OutletID: 1}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Receipt{}, "ID", "CommittedAt")); diff != "" {
		t.Fatalf("receipt (-want +got):\n%s", diff)
	}
	stored, err := w.desk.Get(w.ctx, c, got.ID)
	w.must(err)
	if diff := cmp.Diff(got, stored); diff != "" {
		t.Fatalf("stored (-answered +stored):\n%s", diff)
	}
	byKey, err := w.desk.ByKey(w.ctx, c, "k1")
	w.must(err)
	if diff := cmp.Diff(got, byKey); diff != "" {
		t.Fatalf("by key (-answered +stored):\n%s", diff)
	}
}
