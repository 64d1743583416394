package sheet

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// encoding is how a CSV's text is written.
type encoding uint8

const (
	isUTF8 encoding = iota
	isGB18030
	isUTF16
)

var encodingNames = [...]string{isUTF8: "UTF-8", isGB18030: "GB18030", isUTF16: "UTF-16"}

const csvBuffer = 256 << 10

// csvReader splits bytes, not letters: in UTF-8 as in GB18030 no byte of another
// letter is a comma, a quote or a line break (GB 18030, 5.1: second bytes are
// 0x40 or above, or digits).
type csvReader struct {
	limits   Limits
	in       *bufio.Reader
	counted  *counter
	size     int64
	encoding encoding
	comma    byte
	line     int // lines read
	rows     int

	raw   []byte // the record without quotes, cell after cell
	ends  []int  // where each cell ends in raw
	row   Row
	cells []Cell
}

// counter counts what was read of a file.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

func openCSV(r io.ReaderAt, size int64, limits Limits) (*csvReader, error) {
	c := &csvReader{limits: limits}
	found, skip, err := encodingOf(r, size)
	if err != nil {
		return nil, err
	}
	c.encoding, c.size = found, size-skip
	c.counted = &counter{r: io.NewSectionReader(r, skip, size-skip)}
	var in io.Reader = c.counted
	if found == isUTF16 {
		in = transform.NewReader(in, unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewDecoder())
	}
	c.in = bufio.NewReaderSize(in, csvBuffer)
	head, err := c.in.Peek(min(csvBuffer, limits.RowBytes))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	c.comma = commaOf(head)
	return c, nil
}

func (c *csvReader) Format() string { return "CSV（" + encodingNames[c.encoding] + "）" }
func (c *csvReader) Date1904() bool { return false }

func (c *csvReader) Done() float64 {
	if c.size == 0 {
		return 1
	}
	return float64(c.counted.n-int64(c.in.Buffered())) / float64(c.size)
}

// encodingOf looks at the whole file: its encoding is the one in which most lines
// with anything but ASCII can be read. skip is the byte-order mark.
func encodingOf(r io.ReaderAt, size int64) (found encoding, skip int64, err error) {
	in := bufio.NewReaderSize(io.NewSectionReader(r, 0, size), csvBuffer)
	head, err := in.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, 0, err
	}
	switch {
	case bytes.HasPrefix(head, []byte{0xff, 0xfe}), bytes.HasPrefix(head, []byte{0xfe, 0xff}):
		return isUTF16, 0, nil
	case bytes.HasPrefix(head, []byte{0xef, 0xbb, 0xbf}):
		skip = 3
	}
	var utf, other int
	for {
		line, err := in.ReadSlice('\n')
		if bytes.IndexByte(line, 0) >= 0 {
			return 0, 0, refuse("not_a_table", "这不是表格文件。请用模板填写，另存为 .xlsx 或 CSV 后再上传。")
		}
		switch {
		case ascii(line):
		case utf8.Valid(line) || errors.Is(err, bufio.ErrBufferFull) && validButEnd(line):
			utf++
		default:
			other++
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return 0, 0, err
		}
	}
	if skip == 0 && other > utf {
		return isGB18030, 0, nil
	}
	return isUTF8, skip, nil
}

// validButEnd: UTF-8 but for a letter cut in two at the end.
func validButEnd(b []byte) bool {
	for i := 1; i <= 3 && i <= len(b); i++ {
		if utf8.Valid(b[:len(b)-i]) {
			return true
		}
	}
	return false
}

func ascii(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// commaOf is what stands between the cells of the heading.
func commaOf(head []byte) byte {
	line, _, _ := bytes.Cut(head, []byte{'\n'})
	best, most := byte(','), bytes.Count(line, []byte{','})
	for _, c := range []byte{'\t', ';', '|'} {
		if n := bytes.Count(line, []byte{c}); n > most {
			best, most = c, n
		}
	}
	return best
}

// maxBlank bounds the lines without anything, in a row of them.
const maxBlank = 1_100_000

func (c *csvReader) Next() (*Row, error) {
	for blank := 0; ; blank++ {
		if blank > maxBlank {
			return nil, refuse("too_many_rows", "表里有太多空行。请删去后面的空行再上传。")
		}
		fault, err := c.record()
		if err != nil {
			return nil, err
		}
		c.split(fault)
		if c.row.Fault == NoFault && c.row.blank() {
			continue
		}
		// One more for the heading.
		if c.rows++; c.rows > c.limits.Rows+1 {
			return nil, refuse("too_many_rows", "超过 %d 行。请分成几个文件上传。", c.limits.Rows)
		}
		return &c.row, nil
	}
}

// record reads one record into raw and ends. Most hold no quote.
func (c *csvReader) record() (Fault, error) {
	c.raw, c.ends = c.raw[:0], c.ends[:0]
	line, fault, err := c.readLine()
	if err != nil {
		return 0, err
	}
	c.row.Number = c.line
	if bytes.IndexByte(line, '"') < 0 {
		for {
			i := bytes.IndexByte(line, c.comma)
			if i < 0 {
				break
			}
			if len(c.ends) == c.limits.Columns {
				fault = max(fault, TooWide)
				break
			}
			c.raw = append(c.raw, line[:i]...)
			c.ends = append(c.ends, len(c.raw))
			line = line[i+1:]
		}
		return c.last(line, fault), nil
	}
	return c.quoted(line, fault)
}

// last adds the record's last cell.
func (c *csvReader) last(cell []byte, fault Fault) Fault {
	if len(c.ends) >= c.limits.Columns {
		if len(bytes.TrimSpace(cell)) > 0 || fault == TooWide {
			return TooWide
		}
		return fault
	}
	c.raw = append(c.raw, cell...)
	c.ends = append(c.ends, len(c.raw))
	return fault
}

// quoted splits a record with quotes (RFC 4180), which may go on over lines. A
// quote inside a cell that does not start with one is a letter like others.
func (c *csvReader) quoted(line []byte, fault Fault) (Fault, error) {
	from := c.line
	for i := 0; ; {
		rest := line[i:]
		if trimmed := bytes.TrimLeft(rest, " "); len(trimmed) > 0 && trimmed[0] == '"' {
			rest = trimmed[1:]
			i = len(line) - len(rest)
			for {
				j := bytes.IndexByte(line[i:], '"')
				if j < 0 { // goes on in the next line
					c.raw = append(append(c.raw, line[i:]...), '\n')
					if len(c.raw) > c.limits.RowBytes {
						return 0, c.unclosed(from)
					}
					next, f, err := c.readLine()
					if errors.Is(err, io.EOF) {
						return 0, c.unclosed(from)
					}
					if err != nil {
						return 0, err
					}
					line, i, fault = next, 0, max(fault, f)
					continue
				}
				c.raw = append(c.raw, line[i:i+j]...)
				i += j + 1
				if i >= len(line) || line[i] != '"' {
					break
				}
				c.raw = append(c.raw, '"')
				i++
			}
		}
		j := bytes.IndexByte(line[i:], c.comma)
		if j < 0 {
			return c.last(line[i:], fault), nil
		}
		if len(c.ends) == c.limits.Columns {
			return TooWide, nil
		}
		c.raw = append(c.raw, line[i:i+j]...)
		c.ends = append(c.ends, len(c.raw))
		i += j + 1
	}
}

func (c *csvReader) unclosed(line int) error {
	return refuse("quote", "第 %d 行的双引号没有成对，后面的行读不准。请改好这一行再上传。", line)
}

// readLine is the next line without its end; beyond RowBytes it is cut. It is
// good until the next call.
func (c *csvReader) readLine() ([]byte, Fault, error) {
	line, err := c.in.ReadSlice('\n')
	if len(line) == 0 && err != nil {
		return nil, 0, err
	}
	c.line++
	fault := NoFault
	if errors.Is(err, bufio.ErrBufferFull) {
		fault = TooLong
		kept := append([]byte(nil), line[:min(len(line), c.limits.RowBytes)]...)
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = c.in.ReadSlice('\n')
		}
		line = kept
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, 0, err
	}
	line = bytes.TrimRight(line, "\r\n")
	if len(line) > c.limits.RowBytes {
		line, fault = line[:c.limits.RowBytes], TooLong
	}
	return line, fault, nil
}

// split makes the row's cells from raw and ends, in the file's encoding.
func (c *csvReader) split(fault Fault) {
	text, bad := c.decode()
	if bad {
		fault = Encoding // what else is wrong may come of it
	}
	c.cells = c.cells[:0]
	at := 0
	for _, end := range c.ends {
		cell := Clean(text[at:end])
		at = end
		if len(cell) > c.limits.CellBytes {
			cell, fault = cut(cell, c.limits.CellBytes), max(fault, TooLong)
		}
		c.cells = append(c.cells, unwrap(cell))
	}
	c.row.Cells, c.row.Fault = c.cells, fault
}

// decode is raw in UTF-8, with ends moved along, and whether it was in another
// encoding than the file.
func (c *csvReader) decode() (string, bool) {
	switch {
	case ascii(c.raw):
		return string(c.raw), false
	case c.encoding != isGB18030:
		if utf8.Valid(c.raw) {
			return string(c.raw), false
		}
		text, _ := c.each()
		return text, true
	case chineseUTF8(c.raw):
		return string(c.raw), true
	}
	text, ok := c.each()
	return text, !ok
}

// each decodes cell by cell from GB18030 and moves ends along. It is false if a
// cell is no such text; of that cell what can be read as UTF-8 stays.
func (c *csvReader) each() (text string, good bool) {
	var b strings.Builder
	good = true
	at := 0
	for i, end := range c.ends {
		cell, ok := fromGB18030(c.raw[at:end])
		if !ok {
			cell, good = strings.ToValidUTF8(string(c.raw[at:end]), ""), false
		}
		b.WriteString(cell)
		at, c.ends[i] = end, b.Len()
	}
	return b.String(), good
}

func fromGB18030(b []byte) (string, bool) {
	if ascii(b) {
		return string(b), true
	}
	text, err := simplifiedchinese.GB18030.NewDecoder().Bytes(b)
	if err != nil {
		return "", false
	}
	s := string(text)
	return s, !strings.ContainsRune(s, utf8.RuneError)
}

// chineseUTF8 reports whether bytes of a GB18030 file are a line of UTF-8: what is
// not ASCII are Chinese letters and signs. Text in GB18030 that is UTF-8 by chance
// gives letters below U+0800.
func chineseUTF8(b []byte) bool {
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError || r >= utf8.RuneSelf && r < 0x2000 {
			return false
		}
		b = b[n:]
	}
	return true
}
