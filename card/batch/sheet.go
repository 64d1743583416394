package batch

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"

	"codeberg.org/go-pdf/fpdf"
	"github.com/jackc/pgx/v5"
	"github.com/skip2/go-qrcode"

	"unioncard/card"
	"unioncard/card/union/event"
)

// A page is A4 with two columns of five cards of ID-1 size (ISO/IEC 7810, 85.6 × 54
// mm), each with its printed code as QR, the code in figures and the card number.
// Names stand in the CSV only, by the same number in order: no font for Chinese is
// embedded.
const (
	pageWidth, pageHeight = 210.0, 297.0 // mm
	cardWidth, cardHeight = 85.6, 54.0
	marginX, marginY      = (pageWidth - 2*cardWidth) / 3, (pageHeight - 5*cardHeight) / 6
	qrSize                = 30.0
	dotsPerMM             = 12 // some 300 dpi
)

// at is the upper left corner of the i-th card of a page, in millimetres.
func at(i int) (x, y float64) {
	return marginX + float64(i%2)*(cardWidth+marginX), marginY + float64(i/2)*(cardHeight+marginY)
}

// modules is a code as a QR's dark squares, without the quiet zone: version 2 of
// level M carries 36 digits.
func modules(code string) ([][]bool, error) {
	q, err := qrcode.New(code, qrcode.Medium)
	if err != nil {
		return nil, fmt.Errorf("batch: QR: %w", err)
	}
	q.DisableBorder = true
	return q.Bitmap(), nil
}

// WritePDF draws sheets; first is the number in order of the first card, from 1.
func WritePDF(cards []Printed, first int) ([]byte, error) {
	doc := fpdf.New("P", "mm", "A4", "")
	doc.SetAutoPageBreak(false, 0)
	doc.SetTitle("unioncard print file", false)
	for i, c := range cards {
		if i%PageCards == 0 {
			doc.AddPage()
		}
		x, y := at(i % PageCards)
		doc.SetDrawColor(180, 180, 180)
		doc.SetLineWidth(0.1)
		doc.Rect(x, y, cardWidth, cardHeight, "D")
		dark, err := modules(c.Code)
		if err != nil {
			return nil, err
		}
		doc.SetFillColor(0, 0, 0)
		side := qrSize / float64(len(dark))
		left, top := x+cardWidth-qrSize-5, y+5
		for r, row := range dark {
			for k := 0; k < len(row); k++ {
				from := k
				for k < len(row) && row[k] {
					k++
				}
				if k > from {
					doc.Rect(left+float64(from)*side, top+float64(r)*side, float64(k-from)*side, side, "F")
				}
			}
		}
		doc.SetFont("Helvetica", "", 7)
		doc.Text(x+4, y+8, fmt.Sprintf("No. %d", first+i))
		doc.SetFont("Courier", "B", 13)
		doc.Text(x+4, y+cardHeight-12, grouped(c.Number))
		doc.SetFont("Courier", "", 8)
		doc.Text(x+4, y+cardHeight-5, c.Code)
		doc.SetFont("Helvetica", "", 8)
		doc.Text(x+4, y+cardHeight-18, c.ValidUntil.String())
	}
	var out bytes.Buffer
	if err := doc.Output(&out); err != nil {
		return nil, fmt.Errorf("batch.WritePDF: %w", err)
	}
	return out.Bytes(), nil
}

// WritePNG is WritePDF as a ZIP of one black-and-white picture a page.
func WritePNG(cards []Printed, first int) ([]byte, error) {
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for from := 0; from < len(cards); from += PageCards {
		picture, err := drawPage(cards[from:min(from+PageCards, len(cards))], first+from)
		if err != nil {
			return nil, err
		}
		// PNG is compressed already.
		w, err := z.CreateHeader(&zip.FileHeader{Name: fmt.Sprintf("cards-%05d.png", first+from), Method: zip.Store})
		if err != nil {
			return nil, fmt.Errorf("batch.WritePNG: %w", err)
		}
		if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(w, picture); err != nil {
			return nil, fmt.Errorf("batch.WritePNG: %w", err)
		}
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("batch.WritePNG: %w", err)
	}
	return out.Bytes(), nil
}

func drawPage(cards []Printed, first int) (image.Image, error) {
	page := image.NewPaletted(image.Rect(0, 0, dots(pageWidth), dots(pageHeight)), color.Palette{color.White, color.Black, color.Gray{180}})
	box := func(x, y, w, h float64, ink uint8) {
		r := image.Rect(dots(x), dots(y), dots(x+w), dots(y+h))
		draw.Draw(page, r, image.NewUniform(page.Palette[ink]), image.Point{}, draw.Src)
	}
	for i, c := range cards {
		x, y := at(i)
		for _, edge := range [][4]float64{{x, y, cardWidth, 0.1}, {x, y + cardHeight, cardWidth, 0.1},
			{x, y, 0.1, cardHeight}, {x + cardWidth, y, 0.1, cardHeight}} {
			box(edge[0], edge[1], edge[2], edge[3], 2)
		}
		dark, err := modules(c.Code)
		if err != nil {
			return nil, err
		}
		// Whole dots a module, so that all are of one size.
		side := dots(qrSize) / len(dark)
		left, top := dots(x+cardWidth-5)-side*len(dark), dots(y+5)
		for r, row := range dark {
			for k, on := range row {
				if on {
					draw.Draw(page, image.Rect(left+k*side, top+r*side, left+(k+1)*side, top+(r+1)*side), image.Black, image.Point{}, draw.Src)
				}
			}
		}
		figures(page, x+4, y+5, 2, fmt.Sprint(first+i))
		figures(page, x+4, y+cardHeight-16, 3.6, grouped(c.Number))
		figures(page, x+4, y+cardHeight-7.5, 2, c.Code)
		figures(page, x+4, y+cardHeight-21, 2, c.ValidUntil.String())
	}
	return page, nil
}

func dots(mm float64) int { return int(mm*dotsPerMM + 0.5) }

// glyphs are the figures in 3 × 5 squares, a row three bits, and the hyphen; a
// picture needs no font for them.
var glyphs = map[rune][5]uint8{
	'0': {7, 5, 5, 5, 7}, '1': {2, 6, 2, 2, 7}, '2': {7, 1, 7, 4, 7}, '3': {7, 1, 7, 1, 7}, '4': {5, 5, 7, 1, 1},
	'5': {7, 4, 7, 1, 7}, '6': {7, 4, 7, 5, 7}, '7': {7, 1, 1, 1, 1}, '8': {7, 5, 7, 5, 7}, '9': {7, 5, 7, 1, 7},
	'-': {0, 0, 7, 0, 0},
}

// figures draws figures of a height in millimetres.
func figures(page *image.Paletted, x, y, height float64, text string) {
	square := max(dots(height)/5, 1)
	left, top := dots(x), dots(y)
	for _, r := range text {
		for row, bits := range glyphs[r] {
			for column := range 3 {
				if bits>>(2-column)&1 == 1 {
					from := image.Pt(left+column*square, top+row*square)
					draw.Draw(page, image.Rectangle{from, from.Add(image.Pt(square, square))}, image.Black, image.Point{}, draw.Src)
				}
			}
		}
		left += 4 * square
	}
}

func eventCard(ctx context.Context, tx pgx.Tx, by card.By, serial int64, format Format) error {
	return event.Record(ctx, tx, by.Actor, "card.download", fmt.Sprintf("card:%d", serial), by.Reason, nil, map[string]any{"format": format})
}
