package api

import (
	"net/http"

	"unioncard/api/exchange"
)

// peopleRows: what staff and the public meet in pages, not tills.
func peopleRows() []row {
	return []row{
		{is(exchange.ErrForbidden), problem{http.StatusForbidden, "forbidden", "没有权限",
			"您的账号没有办理这项业务的权限。", "请联系本单位系统管理员调整角色，或请有权限的同事办理。", 0}},
		{is(exchange.ErrCrossOrigin), problem{http.StatusForbidden, "cross_origin", "请求来源不对",
			"这次提交不是从本系统的页面发出的，没有受理。", "请从本系统的页面重新填写提交。", 0}},
		{is(exchange.ErrForm), problem{http.StatusBadRequest, "form_invalid", "表单无法读取",
			"提交的内容无法读取，没有受理。", "请刷新页面后重新填写；不要粘贴不可见字符。", 0}},
	}
}
