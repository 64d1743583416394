package intake

import (
	"bytes"
	"fmt"

	"github.com/xuri/excelize/v2"
)

// Template is an empty workbook with its headings, an example in each sheet and
// how to fill it in.
func Template() ([]byte, error) {
	f := excelize.NewFile()
	defer f.Close() //nolint:errcheck // it is in memory
	examples := map[string][]any{
		sheetMerchants: {"1", "18 位代码", "示例餐饮有限公司（导入前删去本行）", "", "餐饮"},
		sheetOutlets:   {"1", "示例花园路店", "郑州市金水区花园路1号", "410105", "113.68", "34.78"},
		sheetContracts: {"1", "2026-01-01", "2027-12-31", "30", "是", "8.8折；酒水：满50减10"},
	}
	for i, sheet := range []string{sheetMerchants, sheetOutlets, sheetContracts} {
		if i == 0 {
			if err := f.SetSheetName("Sheet1", sheet); err != nil {
				return nil, err
			}
		} else if _, err := f.NewSheet(sheet); err != nil {
			return nil, err
		}
		head := make([]any, len(columnsOf(sheet)))
		for k, name := range columnsOf(sheet) {
			head[k] = name
		}
		example := examples[sheet]
		for row, cells := range [][]any{head, example} {
			if err := f.SetSheetRow(sheet, fmt.Sprintf("A%d", row+1), &cells); err != nil {
				return nil, err
			}
		}
		if err := f.SetColWidth(sheet, "A", "F", 22); err != nil {
			return nil, err
		}
	}
	if _, err := f.NewSheet("填写说明"); err != nil {
		return nil, err
	}
	for i, line := range []string{
		"1. 三张表用“序号”对应：商家表的序号写在门店表、协议表的第一列。",
		"2. 行业只能填：旅游、餐饮、出行、健康、休闲娱乐、商业购物。",
		"3. 区划代码是门店所在县（市、区）的 6 位代码。",
		"4. 优惠可以写：8.8折、满100减20、每满100减15、每满100减15（最多3次）、让利5%、汽油：每升减0.3元；几项之间用分号隔开，冒号前写商品类别。",
		"5. 其他优惠（阶梯、团购价、时段）先写一项，导入后在系统里修改。",
		"6. 上传后先检查，不会马上生效；没有问题再提请，由另一位同事批准后一次导入。",
	} {
		if err := f.SetCellStr("填写说明", fmt.Sprintf("A%d", i+1), line); err != nil {
			return nil, err
		}
	}
	var out bytes.Buffer
	if err := f.Write(&out); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
