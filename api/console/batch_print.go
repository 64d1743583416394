package console

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/card"
	"unioncard/card/batch"
	"unioncard/merchant"
)

// batchFiles is what is printed.
func (h *Handlers) batchFiles(x *exchange.Exchange, p *batchPage, id int64) error {
	files, err := h.Batches.Files(x.Ctx, id)
	if err != nil {
		return err
	}
	actors := make([]string, len(files))
	for i := range files {
		actors[i] = files[i].MadeBy
	}
	names, err := h.Merchants.ActorNames(x.Ctx, actors)
	if err != nil {
		return err
	}
	for _, f := range files {
		p.Files = append(p.Files, printRow{File: f, Who: names[f.MadeBy], Choices: printChoices(&f)})
	}
	p.Fresh, err = h.Batches.Unprinted(x.Ctx, id)
	return err
}

// printChoices is what of a print file can be downloaded: the table whole, and the
// sheets of codes in parts.
func printChoices(f *batch.File) []page.Choice {
	const table, pdf, png = "名单（全部卡在一个文件里，有全名）", "码版 PDF（印好裁开，贴在卡上）", "码版图片 PNG（压缩包，同样的内容）"
	choices := []page.Choice{{Value: "csv-1", Label: "CSV 名单：给制卡机器读取", Group: table}, {Value: "xlsx-1", Label: "Excel 名单：人工核对用", Group: table}}
	parts := min(f.Parts, 250)
	for _, as := range []struct {
		format, word, group string
	}{{"pdf", "PDF", pdf}, {"png", "图片", png}} {
		for part := 1; part <= parts; part++ {
			from, to := (part-1)*batch.SheetCards+1, min(part*batch.SheetCards, f.Cards)
			choices = append(choices, page.Choice{Value: fmt.Sprintf("%s-%d", as.format, part), Group: as.group,
				Label: fmt.Sprintf("%s 第 %d 份，共 %d 份：第 %d–%d 张", as.word, part, f.Parts, from, to)})
		}
	}
	return choices
}

// printName is a download's name without its ending.
func printName(id, file int64, format batch.Format, first, cards int) string {
	if format.Sheets() {
		return fmt.Sprintf("码版-批次%d-文件%d-第%d至%d张", id, file, first, first+cards-1)
	}
	return fmt.Sprintf("制卡名单-批次%d-文件%d", id, file)
}

// BatchFile answers POST /console/batches/:id/file: a print file of the cards that
// stand in none.
func (h *Handlers) BatchFile(x *exchange.Exchange) error {
	_, b, err := posted(x, h.batchOf)
	if err != nil {
		return err
	}
	f, err := h.Batches.MakeFile(x.Ctx, card.By{Actor: x.Account.Actor(), Reason: "生成制卡文件"}, x.Account.Path, b.ID)
	if errors.Is(err, batch.ErrNothing) {
		return h.batchRefused(x, &batchPage{Print: &page.Form{Summary: "没有要制的卡：都已列入制卡文件，或还没有开始发卡。"}})
	}
	if err != nil {
		return err
	}
	page.Notify(x, fmt.Sprintf("已生成制卡文件，共 %d 张卡。请下载后交制卡单位。", f.Cards))
	return x.Redirect(batchURL(b.ID))
}

// BatchDownload answers POST /console/batches/:id/download.
func (h *Handlers) BatchDownload(x *exchange.Exchange) error {
	form, b, err := posted(x, h.batchOf)
	if err != nil {
		return err
	}
	var wrong merchant.FieldErrors
	by := byCards(x, printReason(form, &wrong))
	file, _ := form.Int("file")
	kind, part, _ := strings.Cut(form.Text("format"), "-")
	format := batch.Format(kind)
	n, err := strconv.Atoi(part)
	if !printable(format) || err != nil || n < 1 || n > batch.MaxFile {
		wrong.Add("format", "请选择下载什么。")
	}
	if len(wrong) > 0 {
		return h.batchRefused(x, &batchPage{Print: &page.Form{Values: form.Values, Errors: wrong}})
	}
	cards, err := h.Batches.Download(x.Ctx, by, x.Account.Path, b.ID, file, format, n)
	if err != nil {
		return err
	}
	first := 1
	if format.Sheets() {
		first += (n - 1) * batch.SheetCards
	}
	return h.sendPrint(x, printName(b.ID, file, format, first, len(cards)), cards, first, format)
}
