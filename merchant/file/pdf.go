package file

import (
	"bytes"
	"compress/zlib"
	"errors"
	"io"
)

const (
	pdfTail = 1024       // bytes in which %%EOF must stand (ISO 32000-1, annex H.3.4.4)
	zipTail = 22 + 1<<16 // bytes in which a ZIP's directory ends
	// maxInflated bounds what object streams of one file may unpack to, in bytes.
	maxInflated = 64 << 20
)

// activeNames are the names of a PDF by which it acts or hides something
// (ISO 32000-1, 12.6 and 7.11.4; ISO 32000-2). Long enough not to come about by
// chance in compressed data.
var activeNames = [][]byte{
	[]byte("/JavaScript"), []byte("/Launch"), []byte("/EmbeddedFile"), []byte("/RichMedia"), []byte("/SubmitForm"),
	[]byte("/ImportData"), []byte("/Rendition"), []byte("/Encrypt"), []byte("/Filespec"), []byte("/GoToE"), []byte("/GoToR"),
}

// checkPDF refuses what is no whole PDF, is something else as well, or can act.
func checkPDF(data []byte) error {
	tail := bytes.TrimRight(data[max(0, len(data)-pdfTail):], "\r\n\t \x00")
	if len(data) < 64 || !bytes.HasSuffix(tail, []byte("%%EOF")) {
		return refused("PDF 文件不完整，或末尾夹带了别的内容，请重新导出后再上传。")
	}
	if bytes.Contains(data[max(0, len(data)-zipTail):], []byte("PK\x05\x06")) {
		return refused("这个 PDF 里夹带了压缩包，不能上传。请重新扫描或导出。")
	}
	if markup(data[:min(len(data), 2048)]) {
		return refused("这个 PDF 里夹带了网页内容，不能上传。请重新扫描或导出。")
	}
	if err := checkActive(data); err != nil {
		return err
	}
	return checkObjectStreams(data)
}

// markup reports whether a browser that guessed would take it for a page.
func markup(head []byte) bool {
	lower := bytes.ToLower(head)
	for _, tag := range []string{"<html", "<script", "<svg", "<body", "<iframe", "<!doctype"} {
		if bytes.Contains(lower, []byte(tag)) {
			return true
		}
	}
	return false
}

func checkActive(data []byte) error {
	plain := unescapeNames(data)
	for _, name := range activeNames {
		if !bytes.Contains(plain, name) {
			continue
		}
		if string(name) == "/Encrypt" {
			return refused("这个 PDF 加了密，无法检查。请去掉密码后再上传。")
		}
		return refused("这个 PDF 带有脚本、附件或会自动执行的内容，不能上传。请改用扫描件，或“打印为 PDF”后再上传。")
	}
	return nil
}

// unescapeNames undoes #xx in names (ISO 32000-1, 7.3.5), by which a name may be
// disguised.
func unescapeNames(data []byte) []byte {
	if bytes.IndexByte(data, '#') < 0 {
		return data
	}
	out := make([]byte, 0, len(data))
	for i := 0; i < len(data); i++ {
		if data[i] == '#' && i+2 < len(data) {
			hi, okHi := hexDigit(data[i+1])
			lo, okLo := hexDigit(data[i+2])
			if okHi && okLo {
				out = append(out, hi<<4|lo)
				i += 2
				continue
			}
		}
		out = append(out, data[i])
	}
	return out
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}

// checkObjectStreams looks into object streams (ISO 32000-1, 7.5.7), in which
// objects lie compressed.
func checkObjectStreams(data []byte) error {
	budget := int64(maxInflated)
	for rest := data; ; {
		i := bytes.Index(rest, []byte("stream"))
		if i < 0 {
			return nil
		}
		before, body := rest[:i], rest[i+len("stream"):]
		rest = body
		if bytes.HasSuffix(before, []byte("end")) {
			continue
		}
		// The stream's dictionary is what stands since the object's beginning.
		dict := unescapeNames(before[max(0, bytes.LastIndex(before, []byte("obj"))):])
		if !bytes.Contains(dict, []byte("/ObjStm")) {
			continue
		}
		if !bytes.Contains(dict, []byte("/FlateDecode")) || bytes.Count(dict, []byte("Decode")) != 1 {
			return refused("这个 PDF 的编码方式少见，无法检查。请“打印为 PDF”后再上传。")
		}
		plain, err := inflate(bytes.TrimLeft(body, "\r\n "), &budget)
		if err != nil {
			return &RefusedError{Message: "这个 PDF 已损坏或无法检查。请“打印为 PDF”后再上传。", Cause: err}
		}
		if err := checkActive(plain); err != nil {
			return err
		}
	}
}

var errBudget = errors.New("file: unpacks to too much")

// inflate unpacks a zlib stream, taking what comes out from the budget.
func inflate(data []byte, budget *int64) ([]byte, error) {
	z, err := zlib.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	plain, err := io.ReadAll(io.LimitReader(z, *budget+1))
	if err != nil {
		return nil, err
	}
	if *budget -= int64(len(plain)); *budget < 0 {
		return nil, errBudget
	}
	return plain, nil
}
