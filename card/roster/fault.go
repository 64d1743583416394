package roster

import (
	"errors"
	"fmt"

	"unioncard/card/personal"
	"unioncard/card/sheet"
)

// Fault is what is wrong with a row. It never repeats a value of the row.
type Fault struct {
	Code    string `json:"c"` // stable
	Column  string `json:"f"` // its heading, "" for the row as such
	Message string `json:"m"` // Chinese: what is wrong
	Fix     string `json:"x"` // Chinese: what to do
}

// The columns that a roster may have.
const (
	ColumnName   = "姓名"
	ColumnID     = "身份证号"
	ColumnPhone  = "手机号"
	ColumnUnion  = "工会"
	ColumnJoined = "入会日期"
	// The two that a fault file has besides, which are passed over when it comes back.
	ColumnProblem = "问题"
	ColumnFix     = "怎么改"
)

// ofPerson is a fault that package personal found.
func ofPerson(err error) (Fault, bool) {
	f, ok := errors.AsType[*personal.Fault](err)
	if !ok {
		return Fault{}, false
	}
	column := map[string]string{personal.FieldResidentID: ColumnID, personal.FieldPhone: ColumnPhone, personal.FieldName: ColumnName}[f.Field]
	return Fault{f.Code, column, f.Message, f.Fix}, true
}

// ofRow is the fault of a row that could not be read well.
func ofRow(f sheet.Fault) Fault {
	switch f {
	case sheet.Encoding:
		return Fault{"row_encoding", "", "这一行的文字编码与文件其他行不同，可能读错", "请核对这一行的文字，用表格软件另存为 .xlsx 后再上传"}
	case sheet.TooWide:
		return Fault{"row_wide", "", "这一行的列太多，多半是串了行或多了逗号", "请对照表头，一人一行重新整理这一行"}
	}
	return Fault{"row_long", "", "这一行有一格的内容太长", "请核对是不是把几行内容填到了一格里"}
}

// faultTotal: a sum below the persons. That is all that is wrong with the row.
func faultTotal() Fault {
	return Fault{"total_row", "", "像是合计行，不是一名会员", "请删去这一行"}
}

// CodeSwapped is the fault of a row whose resident ID stands in the phone's column and
// the other way round: mostly all rows of a file have it.
const CodeSwapped = "swapped"

func faultSwapped() Fault {
	return Fault{CodeSwapped, ColumnID, "身份证号和手机号两列可能填反了", "请对调这两列（或它们的表头），再上传"}
}

func faultFormula(column string) Fault {
	return Fault{"formula", column, column + "是公式，不是填好的内容", "请选中这一列复制，再“选择性粘贴”为“数值”"}
}

func faultCell(column string) Fault {
	return Fault{"cell_error", column, column + "一格是错误值（如 #N/A）", "请改成正确的内容"}
}

func faultRounded() Fault {
	return Fault{"id_rounded", ColumnID, "身份证号被表格软件当作数字，最后几位已经丢失", "请把这一列设为“文本”格式，再重新录入完整的身份证号"}
}

func faultDate() Fault {
	return Fault{"joined_date", ColumnJoined, "入会日期看不懂", "请写成 2026-01-31 这样；不知道可以不填"}
}

func faultDateAhead() Fault {
	return Fault{"joined_future", ColumnJoined, "入会日期还没有到", "请核对入会日期；不知道可以不填"}
}

func faultUnionEmpty() Fault {
	return Fault{"union_empty", ColumnUnion, "没有填工会", "请填写会员所在基层工会的全称"}
}

// faultUnion is the same for a union that does not exist and for one elsewhere.
func faultUnion() Fault {
	return Fault{"union_unknown", ColumnUnion, "没有这个工会，或者它不归本单位管", "请核对工会全称；还没有建的，先在“工会组织”里新建"}
}

func faultUnionKind() Fault {
	return Fault{"union_kind", ColumnUnion, "这不是基层工会，会员要登记在基层工会", "请填写会员所在基层工会的全称"}
}

func faultUnionSeveral(n int) Fault {
	return Fault{"union_ambiguous", ColumnUnion, fmt.Sprintf("有%d个工会叫这个名字", n), "请写成“上级工会/工会名称”，例如“金水区总工会/某某厂工会委员会”"}
}

func faultPhoneTaken() Fault {
	return Fault{"phone_taken", ColumnPhone, "这个手机号已经是另一名会员的", "请核对手机号；确实换了号的，先请那名会员所在工会改掉他的手机号"}
}

func faultMoving() Fault {
	return Fault{"moving", "", "这个人的转接正在办理", "请到“转接”里看进度，不用再报"}
}

// codeStale is the fault of a row that others were quicker with.
const codeStale = "stale"

func faultStale() Fault {
	return Fault{codeStale, "", "检查之后，这个人的登记有了变化，没有导入", "请下载问题名册，重新上传检查"}
}

func faultUnionGone() Fault {
	return Fault{"union_gone", ColumnUnion, "检查之后，这个工会被合并或调走了，没有导入", "请改成现在的工会，重新上传"}
}
