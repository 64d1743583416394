package console

// The charts that web/src/chart.js draws, as the part "chart" takes them. Money
// in them is yuan, as read off an axis; exact figures stand in a table beside.

// DaysChart is figures by day, on up to two axes.
type DaysChart struct {
	Kind   string       `json:"kind"` // "days"
	Labels []string     `json:"labels"`
	Axes   []string     `json:"axes"` // their names
	Series []DaysSeries `json:"series"`
}

// DaysSeries is one line, or one set of bars, of a DaysChart.
type DaysSeries struct {
	Name string    `json:"name"`
	Type string    `json:"type"` // "line" or "bar"
	Axis int       `json:"axis"`
	Data []float64 `json:"data"`
}

// BarsChart is lying bars, the first on top.
type BarsChart struct {
	Kind   string   `json:"kind"` // "bars"
	Name   string   `json:"name"`
	Labels []string `json:"labels"`
	Data   []int64  `json:"data"`
}

// MapChart is a figure for each city on the province's map.
type MapChart struct {
	Kind string     `json:"kind"` // "map"
	Name string     `json:"name"`
	Unit string     `json:"unit"`
	Data []MapValue `json:"data"`
}

// MapValue is one city's figure; Code is its division (GB/T 2260).
type MapValue struct {
	Code  string `json:"code"`
	Value int64  `json:"value"`
}

// CurveChart is amounts over amounts: lines through their points in order, with
// marked points.
type CurveChart struct {
	Kind   string        `json:"kind"` // "curve"
	X      string        `json:"x"`
	Y      string        `json:"y"`
	Series []CurveSeries `json:"series"`
	Marks  []CurveMark   `json:"marks,omitempty"`
}

// CurveSeries is one line. Where it jumps two points share an x.
type CurveSeries struct {
	Name   string       `json:"name"`
	Points [][2]float64 `json:"points"`
	Dashed bool         `json:"dashed,omitempty"`
}

// CurveMark is a point of the first line that is pointed at.
type CurveMark struct {
	X    float64 `json:"x"`
	Y    float64 `json:"y"`
	Text string  `json:"text"`
}

// yuanOf is fen as yuan for a chart.
func yuanOf(fen int64) float64 { return float64(fen) / 100 }
