package file

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
)

const jpegQuality = 88 // small print on a licence stays readable

// encodeAnew decodes an image and encodes its pixels, turned as EXIF says a
// viewer should turn them. Everything that is not pixels is left behind.
func encodeAnew(media Media, data []byte) (out []byte, width, height int, err error) {
	if media == JPEG && bytes.Count(data, []byte{0xff, 0xda}) > maxScans {
		return nil, 0, 0, refused("这张图片的编码方式异常，请重新拍照或另存为 JPG 后再上传。")
	}
	decodeHeader, decode := jpeg.DecodeConfig, jpeg.Decode
	if media == PNG {
		decodeHeader, decode = png.DecodeConfig, png.Decode
	}
	head, err := decodeHeader(bytes.NewReader(data))
	if err != nil {
		return nil, 0, 0, unreadable(err)
	}
	if err := checkPixels(head); err != nil {
		return nil, 0, 0, err
	}
	img, err := decode(bytes.NewReader(data))
	if err != nil {
		return nil, 0, 0, unreadable(err)
	}
	var buf bytes.Buffer
	if media == PNG {
		err = png.Encode(&buf, img)
	} else {
		img = turn(img, orientation(data))
		err = jpeg.Encode(&buf, img, &jpeg.Options{Quality: jpegQuality})
	}
	if err != nil {
		return nil, 0, 0, fmt.Errorf("file: encode: %w", err)
	}
	if buf.Len() > MaxBytes {
		return nil, 0, 0, refused(fmt.Sprintf("图片处理后超过 %d MB，请缩小尺寸或存为 JPG 后再上传。", MaxBytes>>20))
	}
	return buf.Bytes(), img.Bounds().Dx(), img.Bounds().Dy(), nil
}

func unreadable(err error) error {
	return &RefusedError{Message: "图片已损坏或不完整，请重新拍照或另存后再上传。", Cause: err}
}

// checkPixels holds the size an image says it has to the limits, before memory is
// set aside for it.
func checkPixels(head image.Config) error {
	w, h := head.Width, head.Height
	limit := maxPixels
	switch head.ColorModel {
	case color.RGBA64Model, color.NRGBA64Model, color.Gray16Model:
		limit /= 2 // twice the memory
	}
	if w <= 0 || h <= 0 || w > maxEdge || h > maxEdge || w*h > limit {
		return refused(fmt.Sprintf("图片尺寸 %d×%d 太大，请缩小到 %d 万像素以内再上传。", w, h, limit/10_000))
	}
	return nil
}

// turn applies an EXIF orientation (1 to 8; 1 is upright).
func turn(img image.Image, orientation int) image.Image {
	if orientation <= 1 || orientation > 8 {
		return img
	}
	b := img.Bounds()
	w, h := b.Dx(), b.Dy()
	src := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(src, src.Bounds(), img, b.Min, draw.Src)
	dw, dh := w, h
	if orientation >= 5 {
		dw, dh = h, w
	}
	dst := image.NewRGBA(image.Rect(0, 0, dw, dh))
	for y := range h {
		for x := range w {
			dx, dy := x, y
			switch orientation {
			case 2:
				dx = w - 1 - x
			case 3:
				dx, dy = w-1-x, h-1-y
			case 4:
				dy = h - 1 - y
			case 5:
				dx, dy = y, x
			case 6:
				dx, dy = h-1-y, x
			case 7:
				dx, dy = h-1-y, w-1-x
			case 8:
				dx, dy = y, w-1-x
			}
			copy(dst.Pix[dst.PixOffset(dx, dy):][:4], src.Pix[src.PixOffset(x, y):][:4])
		}
	}
	return dst
}
