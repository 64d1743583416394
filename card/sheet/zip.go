package sheet

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"io"
	"path"
	"strconv"
	"strings"
)

var errDamaged = refuse("damaged", "文件坏了或不是表格软件保存的，读不下去。请在表格软件里打开，另存为 .xlsx 再上传。")

const (
	endSize       = 22      // of the end of central directory record, without comment
	maxDirectory  = 1 << 20 // bytes of an archive's directory
	ratioFrom     = 1 << 20 // entries below may pack as well as they like
	maxPart       = 4 << 20 // of a small part: the workbook, its relations
	maxEntryBytes = 1 << 32 // what a directory without ZIP64 can say
)

// archive is a ZIP whose directory has been held to the limits: nothing has been
// inflated yet.
type archive struct{ files map[string]*zip.File }

// openArchive reads the directory, whose own size is bounded first: it is held in
// memory whole.
func openArchive(r io.ReaderAt, size int64, limits Limits) (*archive, error) {
	if err := boundDirectory(r, size); err != nil {
		return nil, err
	}
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, errDamaged
	}
	if len(z.File) > limits.Entries {
		return nil, refuse("bomb", "文件里的零件太多，不是正常的表格。请把内容复制到模板里再上传。")
	}
	a := &archive{files: make(map[string]*zip.File, len(z.File))}
	var total uint64
	for _, f := range z.File {
		if f.Flags&1 != 0 {
			return nil, refuse("encrypted", "文件有密码，读不了。请取消密码后再上传。")
		}
		if f.Method != zip.Store && f.Method != zip.Deflate {
			return nil, errDamaged
		}
		n := f.UncompressedSize64
		if total += n; n > maxEntryBytes || total > uint64(limits.Inflated) {
			return nil, refuse("bomb", "文件展开后超过 %d MB，不是正常的名册。请分成几个文件，或另存为 CSV 再上传。", limits.Inflated>>20)
		}
		if n > ratioFrom && n/uint64(limits.Ratio) > f.CompressedSize64 {
			return nil, refuse("bomb", "文件压缩得不正常，可能是恶意文件，没有打开。请把内容复制到模板里再上传。")
		}
		name := strings.ToLower(path.Clean(strings.ReplaceAll(f.Name, `\`, "/")))
		if _, twice := a.files[name]; twice {
			return nil, errDamaged
		}
		a.files[name] = f
	}
	return a, nil
}

// boundDirectory finds the end of central directory record and holds the directory
// to maxDirectory. The declared count of entries says nothing: the package zip reads
// on while there are headers, and these lie between the declared offset and the
// record found here, or there are none. Archives split in parts, with something
// before them or beyond 4 GB are refused.
func boundDirectory(r io.ReaderAt, size int64) error {
	tail := make([]byte, min(size, endSize+65535))
	if n, err := r.ReadAt(tail, size-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) || n < len(tail) {
		return errors.Join(err, errDamaged)
	}
	at := bytes.LastIndex(tail, []byte("PK\x05\x06"))
	if at < 0 || len(tail)-at < endSize {
		return errDamaged
	}
	end := tail[at:]
	if endSize+int(binary.LittleEndian.Uint16(end[20:])) != len(end) {
		return errDamaged
	}
	length, offset := int64(binary.LittleEndian.Uint32(end[12:])), int64(binary.LittleEndian.Uint32(end[16:]))
	if length > maxDirectory {
		return refuse("bomb", "文件里的零件太多，不是正常的表格。请把内容复制到模板里再上传。")
	}
	if offset+length != size-int64(len(end)) {
		return errDamaged
	}
	return nil
}

// open inflates an entry, never further than it declared.
func (a *archive) open(name string) (io.ReadCloser, *zip.File, error) {
	f := a.files[strings.ToLower(strings.TrimPrefix(name, "/"))]
	if f == nil {
		return nil, nil, errDamaged
	}
	r, err := f.Open()
	if err != nil {
		return nil, nil, errDamaged
	}
	return r, f, nil
}

// part reads a small part's elements. Each is called with the element and its depth.
func (a *archive) part(name string, each func(e xml.StartElement)) error {
	r, _, err := a.open(name)
	if err != nil {
		return err
	}
	defer r.Close() //nolint:errcheck // nothing was written
	x := newXML(io.LimitReader(r, maxPart))
	for {
		t, err := x.token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if e, ok := t.(xml.StartElement); ok {
			each(e)
		}
	}
}

// xmlReader is encoding/xml held to what a spreadsheet writes: no document type, so
// no entities of anybody's, inside or outside the file; UTF-8 only; and not deep.
type xmlReader struct {
	*xml.Decoder
	depth int
	piece *pieceReader
}

const (
	maxDepth = 64
	// maxToken is how many bytes one tag or text may have, which encoding/xml holds in
	// memory whole: a cell's 32,767 characters, each written as an entity, are less.
	maxToken = 1 << 20
)

func newXML(r io.Reader) *xmlReader {
	p := &pieceReader{r: r}
	d := xml.NewDecoder(p)
	d.CharsetReader = func(string, io.Reader) (io.Reader, error) { return nil, errDamaged }
	return &xmlReader{Decoder: d, piece: p}
}

// pieceReader bounds what is read for one token.
type pieceReader struct {
	r io.Reader
	n int
}

func (p *pieceReader) Read(b []byte) (int, error) {
	if p.n > maxToken {
		return 0, errDamaged
	}
	n, err := p.r.Read(b)
	p.n += n
	return n, err
}

func (x *xmlReader) token() (xml.Token, error) {
	x.piece.n = 0
	t, err := x.RawToken()
	if errors.Is(err, io.EOF) {
		if x.depth != 0 {
			return nil, errDamaged
		}
		return nil, io.EOF
	}
	if err != nil {
		return nil, errDamaged
	}
	switch t.(type) {
	case xml.StartElement:
		if x.depth++; x.depth > maxDepth {
			return nil, errDamaged
		}
	case xml.EndElement:
		if x.depth--; x.depth < 0 {
			return nil, errDamaged
		}
	case xml.Directive:
		return nil, refuse("entity", "文件里有表格不该有的内容（DOCTYPE），可能是恶意文件，没有打开。请把内容复制到模板里再上传。")
	}
	return t, nil
}

func attr(e xml.StartElement, local string) string {
	for _, a := range e.Attr {
		if a.Name.Local == local {
			return a.Value
		}
	}
	return ""
}

// relation is the id attribute of the relationships namespace: r:id beside id.
func relation(e xml.StartElement) string {
	for _, a := range e.Attr {
		if a.Name.Local == "id" && a.Name.Space != "" {
			return a.Value
		}
	}
	return ""
}

// number is a whole number from low to high.
func number(s string, low, high int) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= low && n <= high
}
