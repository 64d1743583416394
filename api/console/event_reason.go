package console

import (
	"context"
	"regexp"
)

// proposedBy finds who proposed or approved in a reason that merchant/signing wrote:
// "（提请 12，7 号账号批准）", and as it wrote it first, "（提请 12，staff:7 批准）".
var proposedBy = regexp.MustCompile(`（提请 (\d+)，(?:staff:(\d+) ?|(\d+) 号账号)`)

// nameReasons puts people's names in place of the numbers of their accounts in
// reasons, for a page. What is stored stays: events hold no personal values. A
// number that is nobody's stays as it is.
func (h *Handlers) nameReasons(ctx context.Context, reasons []*string) error {
	var actors []string
	for _, r := range reasons {
		for _, m := range proposedBy.FindAllStringSubmatch(*r, -1) {
			actors = append(actors, "staff:"+m[2]+m[3])
		}
	}
	if len(actors) == 0 {
		return nil
	}
	names, err := h.Merchants.ActorNames(ctx, actors)
	if err != nil {
		return err
	}
	for _, r := range reasons {
		*r = proposedBy.ReplaceAllStringFunc(*r, func(found string) string {
			m := proposedBy.FindStringSubmatch(found)
			actor := "staff:" + m[2] + m[3]
			if name := names[actor]; name != actor {
				return "（提请 " + m[1] + "，" + name
			}
			return found
		})
	}
	return nil
}

// reasonsOf points at the reasons of a list, for nameReasons.
func reasonsOf[T any](list []T, reason func(*T) *string) []*string {
	out := make([]*string, len(list))
	for i := range list {
		out[i] = reason(&list[i])
	}
	return out
}
