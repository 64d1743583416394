package open

import (
	"strconv"
	"time"

	"unioncard/api/strictjson"
	"unioncard/merchant/directory"
	"unioncard/merchant/terms"
)

var beijing = time.FixedZone("Asia/Shanghai", 8*3600)

// positionDigits of a degree are a decimetre.
const positionDigits = 6

// Document is an outlet's public form for mirrors: everything but what changes by
// itself every day. Equal outlets give equal bytes.
func (h *Handlers) Document(e *directory.Entry, silent bool) []byte {
	dst := h.appendWhat(nil, e)
	dst = h.appendTerms(dst, e)
	return append(appendSilent(dst, silent), '}')
}

// appendWhole appends an outlet with everything that is public of it.
func (h *Handlers) appendWhole(dst []byte, e *directory.Entry) []byte {
	dst = h.appendWhat(dst, e)
	dst = h.appendTerms(dst, e)
	dst = appendSilent(dst, h.Signs.Silent(e.MerchantID))
	return append(appendSigns(dst, h.Signs.Of(e)), '}')
}

// appendHit appends an outlet as a list shows it: offers in words only.
func (h *Handlers) appendHit(dst []byte, hit *directory.Hit) []byte {
	dst = h.appendWhat(dst, hit.Entry)
	dst = append(dst, `,"offers":[`...)
	for i := range hit.Offers.List {
		if i > 0 {
			dst = append(dst, ',')
		}
		o := &hit.Offers.List[i]
		dst = appendMember(dst, `{"title":`, o.Title)
		dst = append(appendMember(dst, `,"text":`, short(o)), '}')
	}
	dst = append(dst, ']')
	dst = appendDay(dst, `,"valid_until":`, hit.Until.Add(-time.Second))
	dst = appendSilent(dst, h.Signs.Silent(hit.MerchantID))
	dst = appendSigns(dst, h.Signs.Of(hit.Entry))
	if hit.Metres >= 0 {
		dst = append(dst, `,"distance_m":`...)
		dst = strconv.AppendInt(dst, hit.Metres, 10)
	}
	return append(dst, '}')
}

// short is an offer's text for a list: of group prices how many there are.
func short(o *directory.Offer) string {
	if o.Doc != nil && o.Doc.Benefit.Kind == terms.KindUnitPrice && len(o.Doc.Benefit.Prices) > 3 {
		return "团购价商品 " + strconv.Itoa(len(o.Doc.Benefit.Prices)) + " 种"
	}
	return o.Text
}

// appendWhat appends what and where an outlet is; the object stays open.
func (h *Handlers) appendWhat(dst []byte, e *directory.Entry) []byte {
	dst = append(dst, `{"id":`...)
	dst = strconv.AppendInt(dst, e.ID, 10)
	dst = appendMember(dst, `,"name":`, e.Name)
	dst = appendMember(dst, `,"merchant":`, e.Merchant)
	if e.Brand != "" {
		dst = appendMember(dst, `,"brand":`, e.Brand)
	}
	dst = appendMember(dst, `,"trade":`, string(e.Trade))
	dst = h.appendDivision(dst, `,"city":`, e.City)
	if e.Territory != e.City {
		dst = h.appendDivision(dst, `,"county":`, e.Territory)
	}
	if e.Address != "" {
		dst = appendMember(dst, `,"address":`, e.Address)
	}
	if e.Placed {
		dst = append(dst, `,"position":{"lon":`...)
		dst = strconv.AppendFloat(dst, e.Place.Lon, 'f', positionDigits, 64)
		dst = append(dst, `,"lat":`...)
		dst = strconv.AppendFloat(dst, e.Place.Lat, 'f', positionDigits, 64)
		dst = append(dst, `,"datum":"gcj02"}`...)
	}
	return dst
}

func (h *Handlers) appendDivision(dst []byte, name string, code int32) []byte {
	if code == 0 {
		return dst
	}
	dst = append(dst, name...)
	dst = append(dst, `{"code":`...)
	dst = strconv.AppendInt(dst, int64(code), 10)
	return append(appendMember(dst, `,"name":`, h.divisions.name(code)), '}')
}

// appendTerms appends what the outlet gives, until when, and by whom it was signed.
func (h *Handlers) appendTerms(dst []byte, e *directory.Entry) []byte {
	dst = appendOffers(dst, `,"offers":[`, []*directory.Offers{e.Offers})
	if len(e.Lifting) > 0 {
		dst = appendOffers(dst, `,"lifted_to":[`, e.Lifting)
	}
	dst = appendDay(dst, `,"valid_from":`, e.From)
	dst = appendDay(dst, `,"valid_until":`, e.Until.Add(-time.Second))
	if u, ok := h.Tree().ByID(e.OfficeID); ok {
		dst = appendMember(dst, `,"signed_by":`, u.Name)
	}
	return dst
}

func appendOffers(dst []byte, name string, of []*directory.Offers) []byte {
	dst = append(dst, name...)
	first := true
	for _, offers := range of {
		for i := range offers.List {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			o := &offers.List[i]
			dst = appendMember(dst, `{"id":`, o.ID)
			dst = appendMember(dst, `,"title":`, o.Title)
			dst = appendMember(dst, `,"text":`, o.Text)
			if o.Doc != nil && len(o.Doc.Benefit.Prices) > 0 {
				dst = append(dst, `,"group_prices":[`...)
				for k, p := range o.Doc.Benefit.Prices {
					if k > 0 {
						dst = append(dst, ',')
					}
					dst = appendMember(dst, `{"sku":`, p.SKU)
					dst = append(dst, `,"price_fen":`...)
					dst = append(strconv.AppendInt(dst, p.PriceFen, 10), '}')
				}
				dst = append(dst, ']')
			}
			dst = append(dst, '}')
		}
	}
	return append(dst, ']')
}

func appendSilent(dst []byte, silent bool) []byte {
	dst = append(dst, `,"silent":`...)
	return strconv.AppendBool(dst, silent)
}

// appendSigns appends the days of the last signs of life; a day is exact enough to
// be true and too coarse to be about somebody's purchase.
func appendSigns(dst []byte, s directory.Sign) []byte {
	if !s.Discount.IsZero() {
		dst = appendDay(dst, `,"last_discount_on":`, s.Discount)
	}
	if !s.Seen.IsZero() {
		dst = appendDay(dst, `,"terminal_seen_on":`, s.Seen)
	}
	return dst
}

// appendDay appends a moment's day in Beijing.
func appendDay(dst []byte, name string, t time.Time) []byte {
	dst = append(dst, name...)
	dst = append(dst, '"')
	dst = t.In(beijing).AppendFormat(dst, time.DateOnly)
	return append(dst, '"')
}

func appendMember(dst []byte, name, s string) []byte {
	return strictjson.AppendString(append(dst, name...), s)
}
