package open

import (
	"unioncard/card/union"
)

// divisions is the real territory, in the order of the list it comes from.
type divisions struct {
	all    []union.Division
	byCode map[int32]*union.Division
}

func newDivisions() *divisions {
	d := &divisions{all: union.Divisions(), byCode: map[int32]*union.Division{}}
	for i := range d.all {
		d.byCode[d.all[i].Code] = &d.all[i]
	}
	return d
}

// name is a territory's, "" for one that is unknown.
func (d *divisions) name(code int32) string {
	if v := d.byCode[code]; v != nil {
		return v.Name
	}
	return ""
}

func (d *divisions) cities() (out []union.Division) {
	for _, v := range d.all {
		if v.Kind == union.City {
			out = append(out, v)
		}
	}
	return out
}

// counties are those in a city, the directly administered ones too.
func (d *divisions) counties(city int32) (out []union.Division) {
	for _, v := range d.all {
		if v.Kind == union.County && v.Parent == city {
			out = append(out, v)
		}
	}
	return out
}
