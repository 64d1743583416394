package sheet_test

import (
	"archive/zip"
	"bytes"
	"io"
	"runtime"
	"testing"

	"unioncard/card/sheet"
)

// TestLongToken: a single text or tag of many megabytes, well within the limits of
// archives, is not held in memory.
func TestLongToken(t *testing.T) {
	const long = 48 << 20
	noise := bytes.Repeat([]byte{'a'}, 1<<20)
	for name, around := range map[string][2]string{
		"text":      {`<worksheet><sheetData><row r="1"><c t="inlineStr"><is><t>`, `</t></is></c></row></sheetData></worksheet>`},
		"attribute": {`<worksheet><sheetData><row r="1" x="`, `"></row></sheetData></worksheet>`},
		"comment":   {`<worksheet><!--`, `--><sheetData></sheetData></worksheet>`},
	} {
		var file bytes.Buffer
		z := zip.NewWriter(&file)
		put := func(name string, parts ...string) io.Writer {
			w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store}) // no ratio to refuse it by
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range parts {
				_, _ = io.WriteString(w, p)
			}
			return w
		}
		put("[Content_Types].xml", `<Types/>`)
		put("xl/workbook.xml", `<workbook xmlns:r="r"><sheets><sheet name="a" r:id="r1"/></sheets></workbook>`)
		put("xl/_rels/workbook.xml.rels", `<Relationships><Relationship Id="r1" Type="x/worksheet" Target="s.xml"/></Relationships>`)
		w := put("xl/s.xml", around[0])
		for range long / len(noise) {
			_, _ = w.Write(noise)
		}
		_, _ = io.WriteString(w, around[1])
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		in, err := sheet.Open(bytes.NewReader(file.Bytes()), int64(file.Len()), sheet.DefaultLimits())
		for err == nil {
			_, err = in.Next()
		}
		runtime.ReadMemStats(&after)
		if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > 20 {
			t.Errorf("%s: %d MB taken (%v)", name, used, err)
		}
	}
}
