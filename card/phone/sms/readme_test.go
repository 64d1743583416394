package sms

import (
	"encoding/json"
	"os"
	"regexp"
	"testing"
)

// TestReadmesRequest: the request that README gives adapters' authors to check against
// is one that Gateway would send.
func TestReadmesRequest(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	find := func(pattern string) string {
		t.Helper()
		found := regexp.MustCompile(pattern).FindSubmatch(page)
		if found == nil {
			t.Fatalf("README has no %s", pattern)
		}
		return string(found[1])
	}
	body := find(`(?m)^(\{"id":"m-1".*\})$`)
	want, err := json.Marshal(document{"m-1", "13900000001", "T1", params{"098765", "5"}})
	if err != nil {
		t.Fatal(err)
	}
	if body != string(want) {
		t.Errorf("the body is %s, the gateway's %s", body, want)
	}
	got := sign([]byte(find(`UNIONCARD_SMS_SECRET='(.*?)'`)), find(`(?m)^X-Key-Id: (.*)$`), find(`(?m)^X-Timestamp: (.*)$`),
		find(`(?m)^X-Nonce: (.*)$`), find(`(?m)^POST (\S+) HTTP/1.1$`), []byte(body))
	if signature := find(`(?m)^X-Signature: (.*)$`); signature != got {
		t.Errorf("the signature is %s, the code's %s", signature, got)
	}
}
