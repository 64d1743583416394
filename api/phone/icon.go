package phone

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"sync"
)

// The icon: a white card on the union's red, on it the three corners of a code.
var (
	red   = color.NRGBA{0x9d, 0x1c, 0x20, 0xff}
	white = color.NRGBA{0xff, 0xff, 0xff, 0xff}
)

// ink is what a place of the icon is made of.
type ink int

const (
	noInk ink = iota
	redInk
	whiteInk
)

// iconSizes are the icons by the end of their names.
var iconSizes = map[string]int{"192.png": 192, "512.png": 512, "maskable.png": 512}

// iconsByName are the icons, each drawn once. A maskable one fills its square and
// keeps what matters within the middle four fifths, since a phone cuts it to its
// own shape.
func iconsByName() map[string]func() ([]byte, error) {
	out := map[string]func() ([]byte, error){}
	for name, size := range iconSizes {
		out[name] = sync.OnceValues(func() ([]byte, error) {
			var b bytes.Buffer
			err := png.Encode(&b, drawIcon(size, name == "maskable.png"))
			return b.Bytes(), err
		})
	}
	return out
}

// fine is how many samples each way make a pixel at an edge, which is smooth then.
const (
	fine  = 4
	every = fine * fine
)

// The palette: few colours make a small file. Red mixed with so many parts of white
// begins at redAt, so many parts of red on nothing at thinAt.
const (
	redAt  = 1
	thinAt = redAt + every + 1
)

func iconPalette() color.Palette {
	p := color.Palette{color.NRGBA{}}
	mix := func(a, b uint8, parts int) uint8 { return uint8((int(a)*(every-parts) + int(b)*parts) / every) }
	for i := range every + 1 {
		p = append(p, color.NRGBA{mix(red.R, white.R, i), mix(red.G, white.G, i), mix(red.B, white.B, i), 0xff})
	}
	for i := range every {
		p = append(p, color.NRGBA{red.R, red.G, red.B, uint8(0xff * i / every)})
	}
	return p
}

func drawIcon(size int, maskable bool) image.Image {
	img := image.NewPaletted(image.Rect(0, 0, size, size), iconPalette())
	at := func(x, y float64) ink { return iconAt(x/float64(size), y/float64(size), maskable) }
	above, below := make([]ink, size+1), make([]ink, size+1) // the corners of a row's pixels
	corners := func(y int, into []ink) {
		for x := range into {
			into[x] = at(float64(x), float64(y))
		}
	}
	corners(0, below)
	for y := range size {
		above, below = below, above
		corners(y+1, below)
		for x := range size {
			same := above[x] == above[x+1] && above[x] == below[x] && above[x] == below[x+1]
			img.SetColorIndex(x, y, pixel(float64(x), float64(y), same, at))
		}
	}
	return img
}

// pixel is the colour of a pixel: of one ink where its corners (same: all alike) and
// its middle agree, a mixture of its samples at an edge. White never lies beside
// nothing.
func pixel(x, y float64, same bool, at func(x, y float64) ink) uint8 {
	middle := at(x+0.5, y+0.5)
	var parts [3]int
	if same && at(x, y) == middle {
		parts[middle] = every
	} else {
		for i := range every {
			parts[at(x+(float64(i%fine)+0.5)/fine, y+(float64(i/fine)+0.5)/fine)]++
		}
	}
	switch {
	case parts[noInk] == every:
		return 0
	case parts[noInk] > 0:
		return uint8(thinAt + parts[redInk])
	default:
		return uint8(redAt + parts[whiteInk])
	}
}

// iconAt is the ink at a place, both coordinates from 0 to 1.
func iconAt(u, v float64, maskable bool) ink {
	scale := 1.0
	if maskable {
		scale = 0.8
	} else if !rounded(u, v, 0, 0, 1, 1, 0.2) {
		return noInk
	}
	u, v = (u-0.5)/scale+0.5, (v-0.5)/scale+0.5
	if !rounded(u, v, 0.14, 0.24, 0.86, 0.76, 0.07) || onCard(u, v) {
		return redInk
	}
	return whiteInk
}

// onCard says whether something red is on the white card: three corners of a code, a
// few of its modules, and two lines as a name and a number.
func onCard(u, v float64) bool {
	for _, at := range [...][2]float64{{0.22, 0.32}, {0.40, 0.32}, {0.22, 0.50}} {
		if corner(u-at[0], v-at[1], 0.14) {
			return true
		}
	}
	for _, at := range [...][2]float64{{0.40, 0.50}, {0.48, 0.56}, {0.40, 0.60}, {0.50, 0.48}} {
		if inside(u-at[0], v-at[1], 0.04) {
			return true
		}
	}
	return rounded(u, v, 0.62, 0.37, 0.79, 0.42, 0.02) || rounded(u, v, 0.62, 0.50, 0.75, 0.55, 0.02)
}

func inside(u, v, side float64) bool { return u >= 0 && v >= 0 && u < side && v < side }

// corner is a code's finder pattern: a frame, and a square in it.
func corner(u, v, side float64) bool {
	const line = 0.024
	if !inside(u, v, side) {
		return false
	}
	gap := 2 * line
	return !inside(u-line, v-line, side-2*line) || inside(u-gap, v-gap, side-2*gap)
}

func rounded(u, v, left, top, right, bottom, radius float64) bool {
	if u < left || u > right || v < top || v > bottom {
		return false
	}
	dx := max(left+radius-u, u-(right-radius), 0)
	dy := max(top+radius-v, v-(bottom-radius), 0)
	return dx*dx+dy*dy <= radius*radius
}
