package directory

import (
	"sync"

	"unioncard/card/union"
)

// divisions is the real territory, by code.
var divisions = sync.OnceValue(func() map[int32]union.Division {
	byCode := map[int32]union.Division{}
	for _, d := range union.Divisions() {
		byCode[d.Code] = d
	}
	return byCode
})

// cityOf is the city that a territory lies in, a directly administered county's
// too: who looks for lunch there does not ask whom it answers to. A city is its
// own; 0 for the province.
func cityOf(territory int32) int32 {
	d, ok := divisions()[territory]
	switch {
	case !ok:
		return territory / 100 * 100 // by the build of GB/T 2260
	case d.Kind == union.County:
		return d.Parent
	case d.Kind == union.City:
		return d.Code
	}
	return 0
}
