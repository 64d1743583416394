package application

import (
	"slices"
	"time"

	"unioncard/merchant"
	"unioncard/merchant/file"
)

// Kinds of an application's files.
const (
	FileLicence    = "licence"
	FilePermit     = "permit"
	FileStorefront = "storefront"
	FileBank       = "bank"
	FileOther      = "other"
	// FileVisit begins the kind of a visit's photos: "visit:3".
	FileVisit = "visit:"
)

// FileKind is a kind of file that an applicant may add.
type FileKind struct{ Kind, Title, Help string }

// FileKinds lists what a trade's applicants may add, in the order of the form.
func FileKinds(trade merchant.Trade) []FileKind {
	kinds := []FileKind{}
	for _, item := range Checklist(trade) {
		if item.File != "" {
			kinds = append(kinds, FileKind{item.File, item.Title, item.Help})
		}
	}
	return append(kinds, FileKind{FileOther, "其他材料", "需要时补充，如授权书、连锁门店名单。"})
}

// FileTitle is what a kind of file is called.
func FileTitle(trade merchant.Trade, kind string) string {
	for _, k := range FileKinds(trade) {
		if k.Kind == kind {
			return k.Title
		}
	}
	if len(kind) > len(FileVisit) && kind[:len(FileVisit)] == FileVisit {
		return "走访照片"
	}
	return "其他材料"
}

// Item is one thing to be made sure of before an application is accepted.
type Item struct {
	Name, Title, Help string
	Required          bool
	File              string   // the kind of file that must be there first; "" for none
	Visit             bool     // a visit must have been noted first
	Rests             []string // fields whose change makes it doubtful again
}

// permits are the licences that a trade needs besides the business licence.
var permits = map[merchant.Trade]Item{
	merchant.TradeTravel:    {Title: "经营许可", Help: "旅行社业务经营许可证，或旅馆业特种行业许可证。", Required: true},
	merchant.TradeCatering:  {Title: "经营许可", Help: "食品经营许可证，须在有效期内。", Required: true},
	merchant.TradeTransport: {Title: "经营许可", Help: "道路运输经营许可证；加油站为成品油零售经营批准证书；不需要许可的不传。"},
	merchant.TradeHealth:    {Title: "经营许可", Help: "医疗机构执业许可证、药品经营许可证或公共场所卫生许可证。", Required: true},
	merchant.TradeLeisure:   {Title: "经营许可", Help: "公共场所卫生许可证、娱乐或高危险性体育项目经营许可证；不需要许可的不传。"},
	merchant.TradeShopping:  {Title: "经营许可", Help: "卖食品的须有食品经营许可证；不卖的不传。"},
}

// Checklist lists what is checked for a trade, in the order of work.
func Checklist(trade merchant.Trade) []Item {
	storefront := Item{Name: "storefront", Title: "门店照片", Help: "门头和店内各一张，能看清招牌。", Required: true, File: FileStorefront, Rests: []string{"outlets"}}
	outlets := Item{Name: "outlets", Title: "门店地址属实", Help: "地址写到门牌号，行政区划选对；填了位置的看看是否落在门口。", Required: true, Rests: []string{"outlets"}}
	if trade == merchant.TradeUnion {
		return []Item{storefront, outlets}
	}
	items := []Item{
		{Name: "licence", Title: "营业执照", Help: "副本照片或扫描件，四角完整、文字清楚，在有效期内。", Required: true, File: FileLicence, Rests: []string{"code", "legal_name", "legal_rep"}},
		{Name: "registry", Title: "企业信用查询", Help: "在国家企业信用信息公示系统查询：存续、未列入经营异常和严重违法失信名单。", Required: true, Rests: []string{"code", "legal_name"}},
	}
	if p, ok := permits[trade]; ok {
		p.Name, p.File, p.Rests = "permit", FilePermit, []string{"trade", "legal_name"}
		items = append(items, p)
	}
	return append(items, storefront, outlets,
		Item{Name: "contact", Title: "联系人核实", Help: "打过电话，确认能代表商家。", Required: true, Rests: []string{"contact_name", "phone"}},
		Item{Name: "bank", Title: "银行账户", Help: "户名与营业执照一致；开户许可证或银行回单。有工会补贴时才需要。", File: FileBank,
			Rests: []string{"legal_name", "bank_holder", "bank_name", "bank_account"}},
		Item{Name: "visit", Title: "实地走访", Help: "到店看过，记录并拍照。", Required: true, Visit: true, Rests: []string{"outlets"}})
}

// Tick says who found an item in order, and when.
type Tick struct {
	Item, By, Who string
	At            time.Time
}

// Visit is what was seen on site.
type Visit struct {
	ID       int64
	On       time.Time // the day
	Note     string
	By, Who  string
	At       time.Time
	PhotosOf string // kind of its photos
}

// Checked is an item of the checklist with where it stands.
type Checked struct {
	Item
	Tick *Tick // nil: not yet
	// Wanting is what must be there before it can be ticked, "" if nothing is.
	Wanting string
}

// Review is all of an application that its office works on.
type Review struct {
	Checks []Checked
	Visits []Visit
	Files  []file.File
}

// Open lists the titles of required items that are not ticked.
func (r *Review) Open() []string {
	var open []string
	for _, c := range r.Checks {
		if c.Required && c.Tick == nil {
			open = append(open, c.Title)
		}
	}
	return open
}

// review puts together what is known about each item.
func review(trade merchant.Trade, ticks []Tick, visits []Visit, files []file.File) *Review {
	r := &Review{Visits: visits, Files: files}
	for _, item := range Checklist(trade) {
		c := Checked{Item: item}
		if i := slices.IndexFunc(ticks, func(t Tick) bool { return t.Item == item.Name }); i >= 0 {
			c.Tick = &ticks[i]
		}
		switch {
		case item.File != "" && !has(files, item.File):
			c.Wanting = "还没有上传" + item.Title + "。"
		case item.Visit && len(visits) == 0:
			c.Wanting = "还没有走访记录。"
		}
		r.Checks = append(r.Checks, c)
	}
	return r
}

func has(files []file.File, kind string) bool {
	return slices.ContainsFunc(files, func(f file.File) bool { return f.Kind == kind })
}

// MissingFiles lists what an applicant has still to upload, by title.
func MissingFiles(trade merchant.Trade, files []file.File) []string {
	var missing []string
	for _, item := range Checklist(trade) {
		if item.Required && item.File != "" && !has(files, item.File) {
			missing = append(missing, item.Title)
		}
	}
	return missing
}
