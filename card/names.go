package card

import (
	"strings"
	"sync"
	"unicode"
)

// maxStars bounds what a masked name tells of its length.
const maxStars = 3

// compoundSurnames are the two-character surnames still in use (复姓); masking
// keeps them whole, as 欧阳**, because 欧 alone is another surname.
var compoundSurnames = map[string]bool{
	"欧阳": true, "太史": true, "端木": true, "上官": true, "司马": true, "东方": true, "独孤": true,
	"南宫": true, "万俟": true, "闻人": true, "夏侯": true, "诸葛": true, "尉迟": true, "公羊": true,
	"赫连": true, "澹台": true, "皇甫": true, "宗政": true, "濮阳": true, "公冶": true, "太叔": true,
	"申屠": true, "公孙": true, "慕容": true, "仲孙": true, "钟离": true, "长孙": true, "宇文": true,
	"司徒": true, "鲜于": true, "司空": true, "闾丘": true, "子车": true, "亓官": true, "司寇": true,
	"巫马": true, "公西": true, "颛孙": true, "壤驷": true, "公良": true, "漆雕": true, "乐正": true,
	"宰父": true, "谷梁": true, "拓跋": true, "夹谷": true, "轩辕": true, "令狐": true, "段干": true,
	"百里": true, "呼延": true, "东郭": true, "南门": true, "羊舌": true, "微生": true, "公户": true,
	"公玉": true, "公仪": true, "梁丘": true, "公仲": true, "公上": true, "公门": true, "公山": true,
	"公坚": true, "左丘": true, "公伯": true, "西门": true, "公祖": true, "第五": true, "公乘": true,
	"贯丘": true, "公皙": true, "南荣": true, "东里": true, "东宫": true, "仲长": true, "子书": true,
	"子桑": true, "即墨": true, "淳于": true, "达奚": true, "褚师": true, "纳兰": true,
	"完颜": true, "耶律": true, "叶赫": true, "那拉": true, "富察": true,
}

// Mask masks a name for a till: the first character, or a compound surname, is
// kept, and one * stands for every further character, at most three and at
// least one, so that no name is ever shown whole. 张三 is 张*, 欧阳修 is 欧阳*,
// 买买提·艾力 is 买***. What holds no letter at all is *. Masking a masked name
// changes nothing.
func Mask(name string) string {
	var chars []rune
	for _, r := range name {
		// Spaces and the dots of transcribed names tell nothing and cost a star;
		// controls and broken UTF-8 do not belong in a name at all.
		if r == '*' && len(chars) > 0 || unicode.IsLetter(r) && r != unicode.ReplacementChar {
			chars = append(chars, r)
		}
	}
	if len(chars) == 0 {
		return "*"
	}
	keep := 1
	if len(chars) > 2 && compoundSurnames[string(chars[:2])] {
		keep = 2
	}
	return string(chars[:keep]) + strings.Repeat("*", min(max(len(chars)-keep, 1), maxStars))
}

// anonymous is what stands for every name once the dictionary is full.
const anonymous = "*"

// nameDict gives masked names small indexes: there are some thousands of them
// (surnames times lengths) in a province of ten million. Reading takes no lock:
// a name is written before the first table word that carries its index, and
// words are stored and loaded atomically.
type nameDict struct {
	names [maxNames]string
	mu    sync.Mutex
	index map[string]uint16
	bytes int64 // of the strings
}

func newNameDict() *nameDict {
	d := &nameDict{index: make(map[string]uint16)}
	d.names[0] = anonymous
	d.index[anonymous] = 0
	return d
}

// at returns the name of an index that at some time came from intern.
func (d *nameDict) at(i uint16) string { return d.names[i] }

// intern returns the index of a masked name, or that of "*" when the dictionary
// is full: the till then sees no name rather than a wrong one.
func (d *nameDict) intern(name string) uint16 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if i, ok := d.index[name]; ok {
		return i
	}
	n := len(d.index)
	if n == maxNames {
		return 0
	}
	name = strings.Clone(name) // it may be part of a large buffer
	d.names[n] = name
	d.index[name] = uint16(n)
	d.bytes += int64(len(name))
	return uint16(n)
}

// memory is the dictionary's size in bytes: the array, the strings, and the map
// at a rounded-up 48 bytes an entry.
func (d *nameDict) memory() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return int64(maxNames)*16 + d.bytes + int64(len(d.index))*48
}
