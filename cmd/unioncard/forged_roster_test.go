package main

import (
	"fmt"
	"strings"

	"unioncard/card/union/staff"
)

// forgedRosters: unions and card numbers named as text, by who uploads rosters and
// who hands out cards.
func (m *matrix) forgedRosters() []forgery {
	registrar, manager, own := m.actors[staff.Registrar], m.actors[staff.CardManager], m.all[0]
	unions, numbers := m.elsewhere("union"), map[string]string{}
	for _, h := range m.all {
		if !h.inside {
			numbers[h.where] = idText(m.number(`SELECT number FROM cards WHERE serial = $1`, h.ids["card"][0]))
		}
	}
	uploads := 0
	return []forgery{
		{name: "hand out cards elsewhere by their numbers", field: "numbers", status: 422, ids: numbers,
			ask: func(number string) *reply {
				return manager.post(fmt.Sprintf("/console/batches/%d/hand", own.ids["batch"][0]), "what", "activate", "whom", "numbers", "numbers", number, "hand_reason", "交付")
			}},
		{name: "find a card elsewhere by its number", field: "number", status: 422, ids: numbers,
			ask: func(number string) *reply {
				return manager.post("/console/cards/find", "number", strings.TrimSpace(number))
			}, good: idText(m.number(`SELECT number FROM cards WHERE serial = $1`, own.ids["card"][0]))},
		// Last: a roster that is taken is then checked, whatever else is asked.
		{name: "a roster for a union elsewhere", field: "union_id", status: 422, ids: nowhere(unions), good: idText(m.all[1].ids["union"][0]),
			ask: func(union string) *reply {
				uploads++
				file := fmt.Sprintf("姓名,身份证号\n第%d份,1\n", uploads) // else the same file again
				return registrar.upload("/console/rosters", "file", "越界.csv", []byte(file), "union_id", union)
			}},
	}
}
