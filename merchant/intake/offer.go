package intake

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"unioncard/merchant/terms"
)

// offerForms are the offers that a workbook's cell may hold, as people write
// them. Anything richer is put into words in the console's editor afterwards.
var offerForms = []struct {
	pattern *regexp.Regexp
	make    func(n []int64, words []string) (terms.Benefit, error)
}{
	{regexp.MustCompile(`^(\d+(?:\.\d+)?)折$`), func(_ []int64, w []string) (terms.Benefit, error) {
		rate, err := discountRate(w[0])
		return terms.Benefit{Kind: terms.KindPercent, RateBP: rate}, err
	}},
	{regexp.MustCompile(`^让利(\d+(?:\.\d+)?)[%％]$`), func(n []int64, _ []string) (terms.Benefit, error) {
		if n[0] <= 0 || n[0] >= 10_000 {
			return terms.Benefit{}, fmt.Errorf("让利应在 0 到 100%% 之间")
		}
		return terms.Benefit{Kind: terms.KindPercent, RateBP: 10_000 - n[0]}, nil
	}},
	{regexp.MustCompile(`^满(\d+(?:\.\d+)?)元?减(\d+(?:\.\d+)?)元?$`), func(n []int64, _ []string) (terms.Benefit, error) {
		return terms.Benefit{Kind: terms.KindAmountOff, AtFen: n[0], OffFen: n[1]}, nil
	}},
	{regexp.MustCompile(`^每满(\d+(?:\.\d+)?)元?减(\d+(?:\.\d+)?)元?(?:[(（]最多(\d+)次[)）])?$`), func(n []int64, w []string) (terms.Benefit, error) {
		b := terms.Benefit{Kind: terms.KindEvery, AtFen: n[0], OffFen: n[1]}
		if w[2] != "" {
			b.MaxTimes = n[2] / 100
		}
		return b, nil
	}},
	{regexp.MustCompile(`^每(?:升|公斤|千克|份|件)减(\d+(?:\.\d+)?)元?$`), func(n []int64, _ []string) (terms.Benefit, error) {
		return terms.Benefit{Kind: terms.KindPerUnit, OffFen: n[0]}, nil
	}},
}

// discountRate reads 8.8折 and 88折 as 8800 basis points of the price.
func discountRate(s string) (int64, error) {
	n, err := hundredths(s)
	if err != nil {
		return 0, err
	}
	switch {
	case n > 0 && n < 1000: // 8.8 is 880 hundredths
		return n * 10, nil
	case !strings.Contains(s, ".") && n >= 1100 && n <= 9900: // 88
		return n, nil
	}
	return 0, fmt.Errorf("折扣应写作 8.8折 或 88折")
}

// maxAmount bounds a number in a cell, in hundredths: a million yuan.
const maxAmount = 100_000_000

// hundredths reads a number with at most two decimals as hundredths (fen of yuan,
// basis points of percent).
func hundredths(s string) (int64, error) {
	whole, part, _ := strings.Cut(s, ".")
	if len(part) > 2 {
		return 0, fmt.Errorf("“%s”最多两位小数", s)
	}
	n, err := strconv.ParseInt(whole+part+strings.Repeat("0", 2-len(part)), 10, 64)
	if err != nil || n > maxAmount {
		return 0, fmt.Errorf("“%s”太大", s)
	}
	return n, nil
}

// maxCell bounds the text of a cell of offers, in bytes.
const maxCell = 4 << 10

// ParseOffers reads a cell of offers, with semicolons or line breaks between
// them: "8.8折；饮料：满50减10". What stands before a colon is an item category, by
// code or by name; category resolves it. The error is a sentence in Chinese.
func ParseOffers(cell string, category func(word string) (code string, ok bool)) (terms.Terms, error) {
	doc := terms.Terms{V: terms.Version}
	if len(cell) > maxCell {
		return doc, fmt.Errorf("优惠写得太长")
	}
	for part := range strings.FieldsFuncSeq(cell, func(r rune) bool { return r == ';' || r == '；' || r == '\n' || r == '\r' }) {
		part = strings.Join(strings.Fields(part), "")
		if part == "" {
			continue
		}
		if len(doc.Offers) == terms.MaxOffers {
			return doc, fmt.Errorf("一份协议最多 %d 项优惠", terms.MaxOffers)
		}
		o, err := parseOffer(part, category)
		if err != nil {
			return doc, err
		}
		o.ID = "offer" + strconv.Itoa(len(doc.Offers)+1)
		doc.Offers = append(doc.Offers, o)
	}
	if len(doc.Offers) == 0 {
		return doc, fmt.Errorf("没有填写优惠")
	}
	if _, err := doc.Compile(); err != nil {
		return doc, fmt.Errorf("优惠不成立：请核对门槛和减免的金额")
	}
	return doc, nil
}

func parseOffer(text string, category func(string) (string, bool)) (terms.Offer, error) {
	o := terms.Offer{Title: text, FundingBP: 10_000}
	rest := text
	if at := strings.IndexAny(text, ":："); at >= 0 {
		word := text[:at]
		rest = strings.TrimLeft(text[at:], ":：")
		code, ok := category(word)
		if !ok {
			return o, fmt.Errorf("没有“%s”这个商品类别", word)
		}
		o.Scope.Categories = []string{code}
	}
	if len([]rune(text)) > 60 {
		return o, fmt.Errorf("“%s…”写得太长", string([]rune(text)[:20]))
	}
	for _, form := range offerForms {
		m := form.pattern.FindStringSubmatch(rest)
		if m == nil {
			continue
		}
		numbers := make([]int64, len(m)-1)
		for i, word := range m[1:] {
			if word == "" {
				continue
			}
			n, err := hundredths(word)
			if err != nil {
				return o, err
			}
			numbers[i] = n
		}
		b, err := form.make(numbers, m[1:])
		if err != nil {
			return o, err
		}
		if b.Kind == terms.KindPerUnit && len(o.Scope.Categories) == 0 {
			return o, fmt.Errorf("“%s”要写明商品类别，例如 汽油：每升减0.3元", text)
		}
		o.Benefit = b
		return o, nil
	}
	return o, fmt.Errorf("看不懂优惠“%s”，可以写 8.8折、满100减20、每满100减15、让利5%%、汽油：每升减0.3元", text)
}
