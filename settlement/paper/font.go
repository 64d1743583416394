package paper

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
)

// ErrNoFont: the machine has no font with Chinese letters that a PDF could hold.
var ErrNoFont = errors.New("paper: no font with Chinese letters")

// fonts is where Debian's fonts-wqy-microhei and -zenhei have them: TrueType, as a
// PDF of ours embeds nothing else, with Chinese and Latin letters in one.
func fonts() []string {
	return []string{"/usr/share/fonts/truetype/wqy/wqy-microhei.ttc", "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc"}
}

// Font reads the font that PDF embeds. ErrNoFont.
func Font() ([]byte, error) {
	for _, path := range fonts() {
		font, err := os.ReadFile(path)
		if err == nil {
			return face(font)
		}
		if !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("paper: font: %w", err)
		}
	}
	return nil, ErrNoFont
}

var errFont = errors.New("paper: not a font")

// face is a font file's first face as a file of its own: a collection (TTC) is taken
// apart, anything else is returned as it is (OpenType 1.9, font file).
func face(file []byte) ([]byte, error) {
	if len(file) < 16 || string(file[:4]) != "ttcf" {
		return file, nil
	}
	const head, entry, mostTables = 12, 16, 64
	at := int64(binary.BigEndian.Uint32(file[12:]))
	if at+head > int64(len(file)) {
		return nil, errFont
	}
	n := int64(binary.BigEndian.Uint16(file[at+4:]))
	if n > mostTables || at+head+n*entry > int64(len(file)) {
		return nil, errFont
	}
	out := append([]byte(nil), file[at:at+head+n*entry]...)
	for i := range n {
		record := out[head+i*entry : head+(i+1)*entry]
		from, length := int64(binary.BigEndian.Uint32(record[8:])), int64(binary.BigEndian.Uint32(record[12:]))
		if from+length > int64(len(file)) {
			return nil, errFont
		}
		binary.BigEndian.PutUint32(record[8:], uint32(len(out)))
		out = append(out, file[from:from+length]...)
		for len(out)%4 != 0 {
			out = append(out, 0)
		}
	}
	return out, nil
}
