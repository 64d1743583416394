package file

import (
	"bytes"
	"encoding/binary"
)

// orientation reads the EXIF orientation of a JPEG (EXIF 2.32, tag 0x0112): 1 to
// 8, and 1 for whatever is missing or malformed. It is all that is ever read of
// EXIF, and nothing of it is kept.
func orientation(data []byte) int {
	tiff := exifOf(data)
	if len(tiff) < 8 {
		return 1
	}
	var order binary.ByteOrder
	switch string(tiff[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 1
	}
	at := uint64(order.Uint32(tiff[4:]))
	if at+2 > uint64(len(tiff)) {
		return 1
	}
	n := uint64(order.Uint16(tiff[at:]))
	for i := range n {
		e := at + 2 + 12*i
		if e+12 > uint64(len(tiff)) {
			return 1
		}
		const orientationTag, short = 0x0112, 3
		if order.Uint16(tiff[e:]) != orientationTag || order.Uint16(tiff[e+2:]) != short {
			continue
		}
		if v := order.Uint16(tiff[e+8:]); v >= 1 && v <= 8 {
			return int(v)
		}
		return 1
	}
	return 1
}

// exifOf finds the TIFF block in a JPEG's APP1 segment, nil without one.
func exifOf(data []byte) []byte {
	const soi, sos, app1 = 0xd8, 0xda, 0xe1
	if len(data) < 4 || data[0] != 0xff || data[1] != soi {
		return nil
	}
	for rest := data[2:]; len(rest) >= 4 && rest[0] == 0xff; {
		marker, size := rest[1], int(binary.BigEndian.Uint16(rest[2:]))
		if marker == sos || size < 2 || size+2 > len(rest) {
			return nil
		}
		if body := rest[4 : 2+size]; marker == app1 && bytes.HasPrefix(body, []byte("Exif\x00\x00")) {
			return body[6:]
		}
		rest = rest[2+size:]
	}
	return nil
}
