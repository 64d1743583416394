package phone

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
)

// The icon: a white card on the union's red, on it the three corners of a code.
var (
	red   = color.NRGBA{0x9d, 0x1c, 0x20, 0xff}
	white = color.NRGBA{0xff, 0xff, 0xff, 0xff}
	none  = color.NRGBA{}
)

// drawIcons draws the icons by the end of their names. A maskable one fills its
// square and keeps what matters within the middle four fifths, since a phone cuts
// it to its own shape.
func drawIcons() (map[string][]byte, error) {
	out := map[string][]byte{}
	for name, size := range map[string]int{"192.png": 192, "512.png": 512, "maskable.png": 512} {
		var b bytes.Buffer
		encoder := png.Encoder{CompressionLevel: png.BestCompression}
		if err := encoder.Encode(&b, drawIcon(size, name == "maskable.png")); err != nil {
			return nil, err
		}
		out[name] = b.Bytes()
	}
	return out, nil
}

// fine is how many samples each way make a pixel: edges are smooth.
const fine = 4

func drawIcon(size int, maskable bool) image.Image {
	palette := iconPalette()
	img := image.NewPaletted(image.Rect(0, 0, size, size), palette)
	for y := range size {
		for x := range size {
			var r, g, b, a int
			for i := range fine * fine {
				u := (float64(x) + (float64(i%fine)+0.5)/fine) / float64(size)
				v := (float64(y) + (float64(i/fine)+0.5)/fine) / float64(size)
				c := iconAt(u, v, maskable)
				r, g, b, a = r+int(c.R)*int(c.A), g+int(c.G)*int(c.A), b+int(c.B)*int(c.A), a+int(c.A)
			}
			if a > 0 {
				img.Set(x, y, color.NRGBA{uint8(r / a), uint8(g / a), uint8(b / a), uint8(a / (fine * fine))})
			}
		}
	}
	return img
}

// iconPalette is nothing, the mixtures of red and white, and red on nothing: few
// colours make a small file.
func iconPalette() color.Palette {
	p := color.Palette{none}
	for i := range fine*fine + 1 {
		mix := func(a, b uint8) uint8 { return uint8((int(a)*(fine*fine-i) + int(b)*i) / (fine * fine)) }
		p = append(p, color.NRGBA{mix(red.R, white.R), mix(red.G, white.G), mix(red.B, white.B), 0xff})
		if i > 0 && i < fine*fine {
			p = append(p, color.NRGBA{red.R, red.G, red.B, uint8(0xff * i / (fine * fine))})
		}
	}
	return p
}

// iconAt is the colour at a place, both coordinates from 0 to 1.
func iconAt(u, v float64, maskable bool) color.NRGBA {
	scale := 1.0
	if maskable {
		scale = 0.8
	} else if !rounded(u, v, 0, 0, 1, 1, 0.2) {
		return none
	}
	u, v = (u-0.5)/scale+0.5, (v-0.5)/scale+0.5
	if !rounded(u, v, 0.14, 0.24, 0.86, 0.76, 0.07) {
		return red
	}
	// Where three corners of a code lie, and a few of its modules.
	for _, at := range [][2]float64{{0.22, 0.32}, {0.40, 0.32}, {0.22, 0.50}} {
		if corner(u-at[0], v-at[1], 0.14) {
			return red
		}
	}
	for _, at := range [][2]float64{{0.40, 0.50}, {0.48, 0.56}, {0.40, 0.60}, {0.50, 0.48}} {
		if inside(u-at[0], v-at[1], 0.04) {
			return red
		}
	}
	// Two lines, as a name and a number.
	if rounded(u, v, 0.62, 0.37, 0.79, 0.42, 0.02) || rounded(u, v, 0.62, 0.50, 0.75, 0.55, 0.02) {
		return red
	}
	return white
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
