package purchase

// hookPoint is a place in a batch at which a test may step in; see Committer.hook.
type hookPoint int

const (
	hookClaimed   hookPoint = iota // keys claimed and statuses read
	hookDecided                    // before the last round trip
	hookCommitted                  // COMMIT answered; an error stands for the lost answer
)

// at calls the test's hook, if there is one.
func (l *lane) at(p hookPoint) error {
	if l.c.hook == nil {
		return nil
	}
	return l.c.hook(p, l)
}
