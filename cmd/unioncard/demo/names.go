package demo

// Word lists for plausible, fictional names. Brands are invented; no real
// company is meant.

// surnames are the common surnames of Henan, the most common first.
var surnames = []rune("王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文")

// compoundSurnames keep both characters when a name is masked.
var compoundSurnames = []string{"欧阳", "上官", "司马", "诸葛", "皇甫"}

// givenChars are characters of given names.
var givenChars = []rune("伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超霞平刚桂兰建国志华红玉梅文辉力海波鹏飞鑫宇浩凯健俊帆雪慧倩婷颖晨阳晓东亮龙云帅旭博森")

// trade is one of the policy's six trades with the words its shops are named by.
type trade struct {
	code     string
	brands   []string // province-signed chains
	stems    []string // first part of a local shop's name
	suffixes []string // second part
}

var trades = []trade{
	{"travel", []string{"豫见山水旅行社", "中原逍遥游", "大河之旅"},
		[]string{"嵩岳", "云台", "龙门", "黄河湾", "伏牛", "太行", "鸡公山", "清明苑"},
		[]string{"旅行社", "国际旅游服务部", "景区游客中心", "民宿", "快捷酒店", "温泉度假村"}},
	{"catering", []string{"豫味源烩面", "老街坊胡辣汤", "禾家小厨", "三顺羊肉汤"},
		[]string{"福满堂", "聚丰园", "李记", "老马家", "小城故事", "灶台香", "麦香村", "好再来", "庆丰收", "二姐"},
		[]string{"烩面馆", "胡辣汤店", "家常菜馆", "火锅店", "羊肉馆", "饺子馆", "快餐店", "早餐店"}},
	{"transport", []string{"豫畅加油站", "一路平安汽车服务", "绿行充电"},
		[]string{"顺达", "通达", "安驰", "路路通", "平安", "捷行", "金桥"},
		[]string{"加油站", "汽车美容店", "洗车行", "汽修厂", "充电站", "驾校"}},
	{"health", []string{"康仁堂大药房", "豫康体检中心", "明目眼镜"},
		[]string{"仁和", "同济", "百草", "益民", "惠民", "安康", "德善"},
		[]string{"大药房", "口腔门诊部", "中医馆", "体检中心", "眼镜店", "推拿馆"}},
	{"leisure", []string{"星河影城", "动力健身", "书香豫院"},
		[]string{"金色年华", "欢乐谷", "阳光", "蓝天", "新概念", "大众", "青春"},
		[]string{"影城", "健身房", "游泳馆", "羽毛球馆", "书店", "歌舞厅", "儿童乐园"}},
	{"shopping", []string{"豫家福超市", "千百惠商场", "好邻居便利店", "中原电器城"},
		[]string{"万家", "惠客", "天天", "家家乐", "金博", "百姓", "盛世", "大润", "鑫源"},
		[]string{"超市", "便利店", "百货店", "电器行", "服装城", "粮油店", "水果店", "文具店"}},
}

// streets of a plausible address.
var streets = []string{"人民路", "建设路", "中原路", "解放路", "文化路", "工人路", "劳动路", "新华街", "花园路", "长江路", "黄河路", "迎宾大道", "健康路", "和平街", "朝阳路"}

// employers name the grassroots unions.
var employers = []string{"纺织有限公司", "机械制造有限公司", "第一人民医院", "实验小学", "供电公司", "公交公司", "化工有限公司", "食品有限公司", "建筑安装公司", "邮政分公司", "自来水公司", "环卫处", "商贸有限公司", "物流有限公司", "面粉厂", "第二中学"}
