package application

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"unioncard/card/union"
	"unioncard/merchant"
)

// Document is what a merchant applies with. Contact and Bank are personal values
// and are stored sealed.
type Document struct {
	Code      string // unified social credit code; none for the union's own windows
	LegalName string // as on the licence
	Brand     string // "" if none of province-wide meaning
	Trade     merchant.Trade
	Note      string
	Contact   Contact
	Bank      Bank
	Outlets   []Outlet
}

// Contact is whom the office talks to.
type Contact struct {
	LegalRep string `json:"legal_rep"`
	Name     string `json:"name"`
	Phone    string `json:"phone"`
}

// Bank is where union money would go.
type Bank struct {
	Holder  string `json:"holder"`
	Bank    string `json:"bank"`
	Account string `json:"account"`
}

// Outlet is a shop that is to take part.
type Outlet struct {
	Name, Address string
	Territory     int32    // GB/T 2260 of the county it stands in
	Lon, Lat      *float64 // degrees, GCJ-02; both or neither
}

// Bounds of a document.
const (
	MaxOutlets = 50 // more come by import
	maxName    = 100
	maxAddress = 200
	maxNote    = 1000
	minBankLen = 8
	maxBankLen = 32
	henanWest  = 110.35 // the province's bounding box in degrees
	henanEast  = 116.66
	henanSouth = 31.38
	henanNorth = 36.37
)

// Normalize writes what people typed in its standard form.
func (d *Document) Normalize() {
	d.Code = NormalizeCode(d.Code)
	for _, s := range []*string{&d.LegalName, &d.Brand, &d.Note, &d.Contact.LegalRep, &d.Contact.Name, &d.Bank.Holder, &d.Bank.Bank} {
		*s = strings.TrimSpace(*s)
	}
	d.Contact.Phone = digitsOf(d.Contact.Phone, "+")
	d.Contact.Phone = strings.TrimPrefix(d.Contact.Phone, "+86")
	d.Bank.Account = digitsOf(d.Bank.Account, "")
	for i := range d.Outlets {
		o := &d.Outlets[i]
		o.Name, o.Address = strings.TrimSpace(o.Name), strings.TrimSpace(o.Address)
	}
}

// digitsOf drops spaces, hyphens and brackets and narrows full-width digits; other
// characters stay, to be refused.
func digitsOf(s, keep string) string {
	return strings.Map(func(r rune) rune {
		r = halfWidth(r)
		if strings.ContainsRune(" -()\t\u00a0", r) && !strings.ContainsRune(keep, r) {
			return -1
		}
		return r
	}, s)
}

// Check holds a normalized document to the rules: merchant.FieldErrors by the
// names of the form's fields ("code", "outlet.0.address"). What was filled in must
// be right; with whole, what is needed must be there too.
func (d *Document) Check(whole bool) error {
	var e merchant.FieldErrors
	if !slices.Contains(merchant.Trades(), d.Trade) {
		e.Add("trade", "请选择行业。")
	}
	d.checkCompany(&e, whole)
	d.checkContact(&e, whole)
	d.checkBank(&e)
	switch {
	case whole && len(d.Outlets) == 0:
		e.Add("outlet.0.name", "请至少填写一家门店。")
	case len(d.Outlets) > MaxOutlets:
		e.Add("outlet.0.name", fmt.Sprintf("一次最多填写 %d 家门店，更多的请联系工会批量导入。", MaxOutlets))
	default:
		leaves := Leaves()
		for i := range d.Outlets {
			d.Outlets[i].check(&e, "outlet."+strconv.Itoa(i)+".", leaves)
		}
	}
	return e.Err()
}

func (d *Document) checkCompany(e *merchant.FieldErrors, whole bool) {
	switch {
	case d.Code == "" && whole && d.Trade != merchant.TradeUnion:
		e.Add("code", "请填写营业执照上的统一社会信用代码。")
	case d.Code != "" && len([]rune(d.Code)) != codeLength:
		e.Add("code", fmt.Sprintf("统一社会信用代码是 18 位，现在是 %d 位，请对照营业执照核对。", len([]rune(d.Code))))
	case d.Code != "" && strings.ContainsAny(d.Code, "IOSVZ"):
		e.Add("code", "统一社会信用代码里没有字母 I、O、S、V、Z，请看看是不是数字 1、0、5、2。")
	case d.Code != "" && !ValidCode(d.Code):
		e.Add("code", "统一社会信用代码的校验位不对，很可能抄错了某一位，请对照营业执照逐位核对。")
	}
	text(e, "legal_name", d.LegalName, maxName, whole, "请填写营业执照上的名称。")
	text(e, "brand", d.Brand, maxName, false, "")
	text(e, "note", d.Note, maxNote, false, "")
}

func (d *Document) checkContact(e *merchant.FieldErrors, whole bool) {
	text(e, "legal_rep", d.Contact.LegalRep, maxName, whole && d.Trade != merchant.TradeUnion, "请填写法定代表人或经营者姓名。")
	text(e, "contact_name", d.Contact.Name, maxName, whole, "请填写联系人姓名。")
	switch {
	case d.Contact.Phone == "" && whole:
		e.Add("phone", "请填写联系电话，审核结果会用到。")
	case d.Contact.Phone != "" && !validPhone(d.Contact.Phone):
		e.Add("phone", "电话不对：手机号是 11 位、以 1 开头；座机请带区号，如 0371-65901234。")
	}
}

// validPhone: a mobile number, or a landline with its area code.
func validPhone(s string) bool {
	if !allDigits(s) {
		return false
	}
	switch {
	case s[0] == '1':
		return len(s) == 11 && s[1] >= '3'
	case s[0] == '0':
		return len(s) >= 10 && len(s) <= 12 && s[1] != '0'
	}
	return (strings.HasPrefix(s, "400") || strings.HasPrefix(s, "800")) && len(s) == 10
}

func (d *Document) checkBank(e *merchant.FieldErrors) {
	b := d.Bank
	text(e, "bank_holder", b.Holder, maxName, false, "")
	text(e, "bank_name", b.Bank, maxName, false, "")
	if b == (Bank{}) {
		return
	}
	switch {
	case b.Account == "":
		e.Add("bank_account", "请填写银行账号；暂不提供的话，户名和开户行也请留空。")
	case !allDigits(b.Account) || len(b.Account) < minBankLen || len(b.Account) > maxBankLen:
		e.Add("bank_account", fmt.Sprintf("银行账号应为 %d 至 %d 位数字，请核对。", minBankLen, maxBankLen))
	case isBankCard(b.Account) && !luhn(b.Account):
		e.Add("bank_account", "银行卡号的校验位不对，很可能抄错了某一位，请核对。")
	}
	if b.Account != "" && b.Holder == "" {
		e.Add("bank_holder", "请填写户名，应与营业执照名称一致。")
	}
	if b.Account != "" && b.Bank == "" {
		e.Add("bank_name", "请填写开户银行和支行。")
	}
}

// isBankCard tells UnionPay card numbers (ISO/IEC 7812, issuer 62), which carry a
// check digit, from company accounts, whose form is each bank's own.
func isBankCard(s string) bool {
	return strings.HasPrefix(s, "62") && len(s) >= 16 && len(s) <= 19
}

func luhn(s string) bool {
	sum := 0
	for i := range len(s) {
		v := int(s[len(s)-1-i] - '0')
		if i%2 == 1 {
			if v *= 2; v > 9 {
				v -= 9
			}
		}
		sum += v
	}
	return sum%10 == 0
}

func (o *Outlet) check(e *merchant.FieldErrors, prefix string, leaves map[int32]bool) {
	text(e, prefix+"name", o.Name, maxName, true, "请填写门店名称。")
	text(e, prefix+"address", o.Address, maxAddress, true, "请填写门店地址，写到门牌号。")
	if !leaves[o.Territory] {
		e.Add(prefix+"territory", "请选择门店所在的县（市、区）。")
	}
	switch {
	case o.Lon == nil && o.Lat == nil:
	case o.Lon == nil || o.Lat == nil:
		e.Add(prefix+"position", "经度和纬度要一起填，或者都不填。")
	case inHenan(*o.Lat, *o.Lon):
		e.Add(prefix+"position", "经度和纬度好像填反了：河南的经度约 110–117，纬度约 31–36。")
	case !inHenan(*o.Lon, *o.Lat):
		e.Add(prefix+"position", "这个位置不在河南省内：经度约 110–117，纬度约 31–36，请核对。")
	}
}

func inHenan(lon, lat float64) bool {
	return lon >= henanWest && lon <= henanEast && lat >= henanSouth && lat <= henanNorth
}

// Leaves are the divisions an outlet can stand in: counties, and cities without
// counties.
func Leaves() map[int32]bool {
	leaves := map[int32]bool{}
	for _, d := range union.Divisions() {
		leaves[d.Code] = d.Kind != union.Province
		delete(leaves, d.Parent)
	}
	return leaves
}

func text(e *merchant.FieldErrors, field, value string, limit int, needed bool, missing string) {
	switch n := len([]rune(value)); {
	case n == 0 && needed:
		e.Add(field, missing)
	case n > limit:
		e.Add(field, fmt.Sprintf("太长了，最多 %d 个字，现在是 %d 个。", limit, n))
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\n' && r != '\r' && r != '\t' || r == 0x7f }):
		e.Add(field, "含有不可见的字符，请重新输入。")
	}
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
