package migrations

// For the tests that need a database: they live in migrations_test, because
// pgtest imports this package.
type Migration = migration

var (
	Load     = load
	ApplySet = apply
	CheckSet = check
)
