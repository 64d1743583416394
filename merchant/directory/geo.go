package directory

import "math"

// Point is a position in degrees. Unless said otherwise it is in GCJ-02.
type Point struct{ Lon, Lat float64 }

const earthRadius = 6_371_008.8 // metres, the mean radius

// distance is the great-circle distance in metres (haversine).
func distance(a, b Point) float64 {
	const rad = math.Pi / 180
	sinLat := math.Sin((b.Lat - a.Lat) * rad / 2)
	sinLon := math.Sin((b.Lon - a.Lon) * rad / 2)
	h := sinLat*sinLat + math.Cos(a.Lat*rad)*math.Cos(b.Lat*rad)*sinLon*sinLon
	return 2 * earthRadius * math.Asin(min(1, math.Sqrt(h)))
}

// millimetres is distance in whole millimetres, which sort alike everywhere.
func millimetres(a, b Point) int64 { return int64(math.Round(distance(a, b) * 1000)) }

// FromWGS84 converts what satellites and browsers give into GCJ-02, by the
// commonly known approximation of the obfuscation that Chinese maps carry. Outside
// China, where maps carry none, the position stays as it is.
func FromWGS84(p Point) Point {
	if p.Lon < 72.004 || p.Lon > 137.8347 || p.Lat < 0.8293 || p.Lat > 55.8271 {
		return p
	}
	const (
		axis = 6378245.0              // of the Krasovsky 1940 ellipsoid, metres
		ecc2 = 0.00669342162296594323 // its first eccentricity, squared
	)
	x, y := p.Lon-105, p.Lat-35
	rad := p.Lat / 180 * math.Pi
	m := 1 - ecc2*math.Sin(rad)*math.Sin(rad)
	north, east := shift(x, y)
	return Point{
		Lon: p.Lon + east*180/(axis/math.Sqrt(m)*math.Cos(rad)*math.Pi),
		Lat: p.Lat + north*180/(axis*(1-ecc2)/(m*math.Sqrt(m))*math.Pi),
	}
}

// ToWGS84 undoes FromWGS84 to within a centimetre.
func ToWGS84(p Point) Point {
	guess := p
	for range 5 {
		got := FromWGS84(guess)
		guess.Lon += p.Lon - got.Lon
		guess.Lat += p.Lat - got.Lat
	}
	return guess
}

// shift is how far GCJ-02 moves a position, in metres north and east.
func shift(x, y float64) (north, east float64) {
	sin := func(k, v float64) float64 { return math.Sin(k * v * math.Pi) }
	waves := (20*sin(6, x) + 20*sin(2, x)) * 2 / 3
	north = -100 + 2*x + 3*y + 0.2*y*y + 0.1*x*y + 0.2*math.Sqrt(math.Abs(x)) + waves +
		(20*sin(1, y)+40*sin(1.0/3, y))*2/3 + (160*sin(1.0/12, y)+320*sin(1.0/30, y))*2/3
	east = 300 + x + 2*y + 0.1*x*x + 0.1*x*y + 0.1*math.Sqrt(math.Abs(x)) + waves +
		(20*sin(1, x)+40*sin(1.0/3, x))*2/3 + (150*sin(1.0/12, x)+300*sin(1.0/30, x))*2/3
	return north, east
}
