package open

import (
	"encoding/json"
	"errors"
	"strconv"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/api/strictjson"
	"unioncard/card/union"
	"unioncard/merchant"
	"unioncard/merchant/directory"
)

// Outlets answers GET /open/v1/outlets: a page of outlets that a query finds.
func (h *Handlers) Outlets(x *exchange.Exchange) error {
	share(x)
	_, found, err := h.search(parse(x))
	if err != nil {
		return err
	}
	dst := append(x.Out, `{"items":[`...)
	for i := range found.Hits {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = h.appendHit(dst, &found.Hits[i])
	}
	dst = append(dst, ']')
	if found.Next != "" {
		dst = appendMember(dst, `,"next":`, found.Next)
	}
	x.Out, x.ContentType = append(dst, '}'), exchange.JSON
	return sendCached(x, cacheNone)
}

// Outlet answers GET /open/v1/outlets/:id.
func (h *Handlers) Outlet(x *exchange.Exchange) error {
	share(x)
	e, err := h.outlet(x)
	if err != nil {
		return err
	}
	x.Out, x.ContentType = h.appendWhole(x.Out, e), exchange.JSON
	return sendCached(x, cacheNone)
}

// outlet is the listed outlet that the path names; ErrNoRoute for one that is not
// listed, whether it exists or not.
func (h *Handlers) outlet(x *exchange.Exchange) (*directory.Entry, error) {
	id, err := x.ID64("id")
	if err != nil {
		return nil, err
	}
	e, err := h.Directory.Outlet(id)
	if errors.Is(err, merchant.ErrNotFound) {
		return nil, exchange.ErrNoRoute
	}
	return e, err
}

// Changes answers GET /open/v1/outlets/changes: what mirrors have not seen yet.
func (h *Handlers) Changes(x *exchange.Exchange) error {
	share(x)
	p := parse(x)
	since, limit := p.text("since"), p.int("limit")
	if p.err == nil && (limit < 0 || limit > directory.MaxChanges) {
		p.fail("limit", directory.ErrInvalid)
	}
	if p.err != nil {
		return p.err
	}
	if limit == 0 {
		limit = 100
	}
	changes, next, more, err := directory.ReadChanges(x.Ctx, h.DB, since, limit)
	if errors.Is(err, directory.ErrCursor) || errors.Is(err, directory.ErrCursorExpired) {
		return &ParamError{"since", err}
	}
	if err != nil {
		return err
	}
	dst := append(x.Out, `{"changes":[`...)
	for i := range changes {
		if i > 0 {
			dst = append(dst, ',')
		}
		c := &changes[i]
		dst = append(dst, `{"outlet":`...)
		dst = strconv.AppendInt(dst, c.OutletID, 10)
		dst = appendMember(dst, `,"change":`, c.Kind)
		dst = append(dst, `,"at":`...)
		dst = strictjson.AppendTime(dst, c.At)
		if c.Document != nil {
			dst = append(append(dst, `,"document":`...), c.Document...)
		}
		dst = append(dst, '}')
	}
	dst = appendMember(dst, `],"next":`, next)
	dst = append(dst, `,"more":`...)
	x.Out, x.ContentType = append(strconv.AppendBool(dst, more), '}'), exchange.JSON
	return sendCached(x, cacheNone)
}

type tradeItem struct {
	Code    string `json:"code"`
	Name    string `json:"name"`
	Outlets int    `json:"outlets"`
}

// Trades answers GET /open/v1/trades.
func (h *Handlers) Trades(x *exchange.Exchange) error {
	count := h.Directory.Index().Facets().Trades
	items := make([]tradeItem, 0, len(merchant.Trades()))
	for _, t := range merchant.Trades() {
		items = append(items, tradeItem{string(t), page.TradeName(string(t)), count[t]})
	}
	return sendItems(x, items)
}

type divisionItem struct {
	Code    int32      `json:"code"`
	Name    string     `json:"name"`
	Kind    union.Kind `json:"kind"`
	Parent  int32      `json:"parent,omitempty"`
	Direct  bool       `json:"direct,omitempty"`
	Zone    bool       `json:"zone,omitempty"`
	Outlets int        `json:"outlets"`
}

// Divisions answers GET /open/v1/divisions: the territory, each parent before what
// lies in it.
func (h *Handlers) Divisions(x *exchange.Exchange) error {
	index := h.Directory.Index()
	cities := index.Facets().Cities
	items := make([]divisionItem, 0, len(h.divisions.all))
	for _, d := range h.divisions.all {
		item := divisionItem{d.Code, d.Name, d.Kind, d.Parent, d.Direct, d.Zone, 0}
		switch d.Kind {
		case union.Province:
			item.Outlets = index.Len()
		case union.City:
			item.Outlets = cities[d.Code]
		default:
			item.Outlets = index.InCounty(d.Code)
		}
		items = append(items, item)
	}
	return sendItems(x, items)
}

func sendItems(x *exchange.Exchange, items any) error {
	share(x)
	raw, err := json.Marshal(map[string]any{"items": items})
	if err != nil {
		return err
	}
	x.Out, x.ContentType = append(x.Out, raw...), exchange.JSON
	return sendCached(x, cacheNone)
}
