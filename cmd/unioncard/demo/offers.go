package demo

import (
	"unioncard/merchant"
	"unioncard/merchant/terms"
)

// variants is how many kinds of local terms a trade has.
const variants = 3

// categories is the province-wide list of item categories.
var categories = []merchant.Category{
	{Code: "travel.tour", Name: "旅游线路"}, {Code: "travel.ticket", Name: "景区门票"}, {Code: "travel.hotel", Name: "住宿"},
	{Code: "catering.dine", Name: "堂食"}, {Code: "catering.takeout", Name: "外带"}, {Code: "catering.drink", Name: "酒水"},
	{Code: "transport.gasoline", Name: "汽油"}, {Code: "transport.diesel", Name: "柴油"}, {Code: "transport.wash", Name: "洗车"}, {Code: "transport.repair", Name: "维修保养"},
	{Code: "health.otc", Name: "药品"}, {Code: "health.checkup", Name: "体检"}, {Code: "health.dental", Name: "口腔"}, {Code: "health.optical", Name: "眼镜"},
	{Code: "leisure.movie", Name: "电影票"}, {Code: "leisure.gym", Name: "健身"}, {Code: "leisure.book", Name: "图书"},
	{Code: "shopping.food", Name: "食品"}, {Code: "shopping.grain", Name: "粮油"}, {Code: "shopping.household", Name: "日用品"},
	{Code: "shopping.appliance", Name: "家电"}, {Code: "shopping.clothes", Name: "服装"}, {Code: "shopping.tobacco", Name: "烟草"},
	{Code: "union.service", Name: "工会服务"},
}

func percent(id, title string, rateBP int64, scope terms.Scope) terms.Offer {
	return terms.Offer{ID: id, Title: title, Scope: scope, FundingBP: 10000,
		Benefit: terms.Benefit{Kind: terms.KindPercent, RateBP: rateBP}}
}

func amountOff(id, title string, kind string, at, off int64, scope terms.Scope) terms.Offer {
	return terms.Offer{ID: id, Title: title, Scope: scope, FundingBP: 10000,
		Benefit: terms.Benefit{Kind: kind, AtFen: at, OffFen: off}}
}

// monthly bounds an offer to so much discount a card and month.
func monthly(o terms.Offer, fen int64) terms.Offer {
	o.Limits = []terms.Limit{{Per: terms.PerMonth, Fen: fen}}
	return o
}

var (
	noDrinks  = terms.Scope{ExceptCategories: []string{"catering.drink"}}
	fuels     = terms.Scope{Categories: []string{"transport.gasoline", "transport.diesel"}}
	noTobacco = terms.Scope{ExceptCategories: []string{"shopping.tobacco"}}
)

func perLitre(title string, off int64) terms.Offer {
	return terms.Offer{ID: "fuel", Title: title, Scope: fuels, FundingBP: 10000,
		Benefit: terms.Benefit{Kind: terms.KindPerUnit, OffFen: off}}
}

// floorTerms is the province's floor of a trade.
func floorTerms(trade string) terms.Terms {
	offer := map[string]terms.Offer{
		"travel":    percent("base", "让利5%", 9500, terms.Scope{}),
		"catering":  percent("base", "9.5折", 9500, noDrinks),
		"transport": perLitre("每升减0.2元", 20),
		"health":    percent("base", "9.5折", 9500, terms.Scope{}),
		"leisure":   percent("base", "9折", 9000, terms.Scope{}),
		"shopping":  amountOff("base", "满200减10", terms.KindAmountOff, 20000, 1000, noTobacco),
	}[trade]
	return terms.Terms{V: terms.Version, Offers: []terms.Offer{offer}}
}

// localTerms is one of the variants of what a merchant of a trade grants; all
// are at or above the trade's floor.
func localTerms(trade string, variant int) terms.Terms {
	doc := func(offers ...terms.Offer) terms.Terms { return terms.Terms{V: terms.Version, Offers: offers} }
	switch trade {
	case "travel":
		return [variants]terms.Terms{
			doc(percent("base", "9.2折", 9200, terms.Scope{})),
			doc(percent("base", "让利5%", 9500, terms.Scope{}), amountOff("big", "满1000减80", terms.KindAmountOff, 100000, 8000, terms.Scope{})),
			doc(percent("base", "9折", 9000, terms.Scope{})),
		}[variant]
	case "catering":
		return [variants]terms.Terms{
			doc(percent("base", "8.8折", 8800, noDrinks), monthly(amountOff("feast", "满158减30", terms.KindAmountOff, 15800, 3000, noDrinks), 100000)),
			doc(percent("base", "9折", 9000, noDrinks), amountOff("every", "每满100减15", terms.KindEvery, 10000, 1500, noDrinks)),
			doc(percent("base", "8.5折", 8500, noDrinks)),
		}[variant]
	case "transport":
		wash := terms.Offer{ID: "wash", Title: "1元洗车", FundingBP: 10000,
			Benefit: terms.Benefit{Kind: terms.KindUnitPrice, Prices: []terms.Price{{SKU: "WASH-STD", PriceFen: 100}}},
			Limits:  []terms.Limit{{Per: terms.PerMonth, Uses: 2}}}
		return [variants]terms.Terms{
			doc(perLitre("每升减0.3元", 30), wash),
			doc(perLitre("每升减0.35元", 35)),
			doc(perLitre("每升减0.2元", 20), wash),
		}[variant]
	case "health":
		return [variants]terms.Terms{
			doc(percent("base", "9折", 9000, terms.Scope{})),
			doc(percent("base", "9.5折", 9500, terms.Scope{}), amountOff("fifty", "满100减12", terms.KindAmountOff, 10000, 1200, terms.Scope{})),
			doc(percent("base", "8.8折", 8800, terms.Scope{})),
		}[variant]
	case "leisure":
		return [variants]terms.Terms{
			doc(percent("base", "8折", 8000, terms.Scope{})),
			doc(percent("base", "9折", 9000, terms.Scope{}), amountOff("fifty", "满50减10", terms.KindAmountOff, 5000, 1000, terms.Scope{})),
			doc(percent("base", "7.5折", 7500, terms.Scope{})),
		}[variant]
	default:
		return [variants]terms.Terms{
			doc(amountOff("base", "满200减20", terms.KindAmountOff, 20000, 2000, noTobacco),
				monthly(amountOff("every", "每满100减15", terms.KindEvery, 10000, 1500, noTobacco), 100000)),
			doc(percent("base", "9.5折", 9500, noTobacco)),
			doc(amountOff("base", "满158减20", terms.KindAmountOff, 15800, 2000, noTobacco), percent("small", "9.8折", 9800, noTobacco)),
		}[variant]
	}
}

// windowTerms is what a union's own service window grants.
func windowTerms() terms.Terms {
	return terms.Terms{V: terms.Version, Offers: []terms.Offer{percent("base", "职工价8折", 8000, terms.Scope{})}}
}

// Basket is a plausible basket of five lines at a shop of the trade.
func Basket(trade string) []terms.Item {
	line := func(sku, category string, qtyMilli, unit int64) terms.Item {
		return terms.Item{SKU: sku, Category: category, QtyMilli: qtyMilli, UnitPriceFen: unit, AmountFen: qtyMilli * unit / 1000}
	}
	switch trade {
	case "travel":
		return []terms.Item{line("TK-ADULT", "travel.ticket", 2000, 12000), line("TK-CHILD", "travel.ticket", 1000, 6000),
			line("BUS", "travel.tour", 3000, 4000), line("ROOM", "travel.hotel", 1000, 26800), line("GUIDE", "travel.tour", 1000, 8000)}
	case "catering":
		return []terms.Item{line("HM-L", "catering.dine", 2000, 2800), line("HLT", "catering.dine", 2000, 1200),
			line("YRC", "catering.dine", 1000, 6800), line("LC", "catering.dine", 3000, 900), line("BEER", "catering.drink", 2000, 800)}
	case "transport":
		return []terms.Item{line("G92", "transport.gasoline", 35_000, 780), line("WASH-STD", "transport.wash", 1000, 3000),
			line("OIL", "transport.repair", 1000, 19800), line("FILTER", "transport.repair", 1000, 4500), line("WIPER", "transport.repair", 2000, 2900)}
	case "health":
		return []terms.Item{line("YP-01", "health.otc", 2000, 2350), line("YP-02", "health.otc", 1000, 4980),
			line("YP-03", "health.otc", 3000, 1290), line("MASK", "health.otc", 5000, 200), line("LENS", "health.optical", 1000, 15900)}
	case "leisure":
		return []terms.Item{line("MV-2D", "leisure.movie", 2000, 3990), line("MV-CORN", "leisure.movie", 1000, 2500),
			line("BOOK-1", "leisure.book", 1000, 4980), line("BOOK-2", "leisure.book", 1000, 3600), line("GYM-DAY", "leisure.gym", 1000, 2900)}
	case "union":
		return []terms.Item{line("SVC-1", "union.service", 1000, 5000), line("SVC-2", "union.service", 1000, 3000),
			line("SVC-3", "union.service", 2000, 1000), line("SVC-4", "union.service", 1000, 2000), line("SVC-5", "union.service", 1000, 800)}
	default:
		return []terms.Item{line("RICE-5KG", "shopping.grain", 1000, 3990), line("OIL-5L", "shopping.grain", 1000, 6990),
			line("APPLE", "shopping.food", 2350, 1000), line("TISSUE", "shopping.household", 2000, 1590), line("MILK", "shopping.food", 1000, 5680)}
	}
}
