package console

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestChangesInWords: what an event kept is shown in words; hashes and what has no
// word are shown as they are, and nothing that did not change.
func TestChangesInWords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, before, after string
		want                []change
	}{
		{"states", `{"state":"waiting"}`, `{"state":"approved","kind":"floor.publish","object":"floor:trade:catering"}`,
			[]change{{"类别", "", "发布底线条件"}, {"对象", "", "底线条件 餐饮"}, {"状态", "待审批", "已批准"}}},
		{"object of a number", `null`, `{"object":"contract:2001"}`, []change{{"对象", "", "协议 2001"}}},
		{"roles", `{"roles":["negotiator"]}`, `{"roles":["negotiator","terminal_manager"]}`, []change{{"角色", "签约专员", "签约专员、终端管理员"}}},
		{"fields", `null`, `{"fields":["code","contact_name"]}`, []change{{"改了哪些", "", "统一社会信用代码、联系人"}}},
		{"a checked item", `null`, `{"item":"registry"}`, []change{{"核对项", "", "企业信用查询"}}},
		{"numbers and truth", `{"lifted":false,"terms_version":1}`, `{"lifted":true,"terms_version":1}`, []change{{"收银处按底线", "否", "是"}}},
		{"a time", `null`, `{"deadline":"2026-12-24T00:00:00+08:00"}`, []change{{"议价期限", "", "2026-12-24 00:00"}}},
		{"what has no word", `null`, `{"sha256":"ab12","odd":"thing","list":[1,"x"]}`,
			[]change{{"list", "", `[1,"x"]`}, {"odd", "", "thing"}, {"内容摘要", "", "ab12"}}},
		{"what is no object", `null`, `"<b>"`, []change{{"内容", "", "<b>"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, changesOf([]byte(c.before), []byte(c.after))); diff != "" {
				t.Error(diff)
			}
		})
	}
}
