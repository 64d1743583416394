package console

import (
	"sync"

	"unioncard/card/union"
)

// placeNames is the real divisions' names by GB/T 2260 code.
var placeNames = sync.OnceValue(func() map[int32]string {
	names := map[int32]string{}
	for _, d := range union.Divisions() {
		names[d.Code] = d.Name
		if parent := names[d.Parent]; d.Kind == union.County && parent != "" {
			names[d.Code] = parent + d.Name
		}
	}
	return names
})

// placeName is a division in words, 郑州市金水区.
func placeName(code int32) string { return placeNames()[code] }
