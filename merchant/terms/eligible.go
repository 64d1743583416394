package terms

// Covers reports whether the territories listed take in a card of a county that
// lies in a city, whatever its class: as Evaluate decides it. A list that Compile
// refuses covers nobody.
func (e *Eligibility) Covers(county, city int32) bool {
	places := Eligibility{Territories: e.Territories}
	form, err := places.compile()
	return err == nil && form.holds(Holder{County: county, City: city})
}
