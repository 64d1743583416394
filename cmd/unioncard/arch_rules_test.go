package main

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

const module = "unioncard"

// sourceFile is what the rules need to know of one Go file.
type sourceFile struct {
	path    string   // from the module's root, with slashes
	imports []string // import paths
	hasSQL  bool     // holds a statement, or declares the DB interface of a store
	pgxUses []string // names taken from pgx's packages, other than handles
}

func (f sourceFile) dir() string  { return path.Dir(f.path) }
func (f sourceFile) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }

// folders is the whole layout (DESIGN.md); names with a leading dot are tools'.
var folders = []string{"api", "card", "cmd", "loadtest", "merchant", "migrations", "settlement", "web", "bin", "node_modules"}

// layers, lowest first: a package imports from lower layers, and from its own
// only where that layer is one tree. A package belongs to the longest prefix.
var layers = []struct {
	prefixes []string
	tree     bool
}{
	{[]string{"card/union", "card/union/event", "card/feed", "merchant/terms"}, false},
	{[]string{"card/union/staff"}, false},
	{[]string{"card"}, true},
	{[]string{"merchant"}, true},
	{[]string{"settlement/ledger"}, false},
	{[]string{"settlement/budget"}, true},
	{[]string{"settlement/purchase"}, true},
	{[]string{"settlement"}, true},
	{[]string{"merchant/complaint", "merchant/assessment"}, false},
	{[]string{"web"}, false},
	{[]string{"api"}, true},
	{[]string{"cmd"}, true},
}

// layerOf returns the layer of a package directory and the prefix that placed
// it, or -1 for one outside the layers.
func layerOf(dir string) (rank int, prefix string) {
	rank = -1
	for i, l := range layers {
		for _, p := range l.prefixes {
			if within(dir, p) && len(p) > len(prefix) {
				rank, prefix = i, p
			}
		}
	}
	return rank, prefix
}

func within(dir, prefix string) bool {
	return dir == prefix || strings.HasPrefix(dir, prefix+"/")
}

// breaches lists every broken rule, one line each.
func breaches(files []sourceFile, topLevel []string) []string {
	var out []string
	for _, name := range topLevel {
		if !strings.HasPrefix(name, ".") && !slices.Contains(folders, name) {
			out = append(out, fmt.Sprintf("folder %s is not in the layout", name))
		}
	}
	for _, f := range files {
		for _, imp := range f.imports {
			why := ""
			if own, ok := strings.CutPrefix(imp, module+"/"); ok {
				why = ownImport(f, own)
			} else {
				why = foreignImport(f, imp)
			}
			if why != "" {
				out = append(out, fmt.Sprintf("%s imports %s: %s", f.path, imp, why))
			}
		}
	}
	return out
}

// ownImport says what is wrong with importing our own package target, or "".
func ownImport(f sourceFile, target string) string {
	dir := f.dir()
	switch {
	case within(target, "migrations") && f.isTest():
		return "" // a test may need a database of any making
	case within(target, "migrations/pgtest") && !within(dir, "migrations/pgtest"):
		return "pgtest is for tests"
	case within(dir, "loadtest"):
		// Exempt, baseline and all, as long as it stays inside.
		if within(target, "loadtest") || within(dir, "loadtest/baseline") {
			return ""
		}
		return "loadtest imports nothing of ours"
	case within(target, "loadtest"):
		return "loadtest is nobody's library"
	case within(dir, "migrations"):
		if within(target, "migrations") {
			return ""
		}
		return "migrations know no domain"
	case within(target, "migrations"):
		if within(dir, "cmd") {
			return ""
		}
		return "only cmd migrates"
	}
	from, fromPrefix := layerOf(dir)
	to, toPrefix := layerOf(target)
	switch {
	case from < 0 || to < 0:
		return "package outside the layers"
	case to < from:
		return ""
	case to == from && dir == target: // an external test of the package
		return ""
	case to == from && fromPrefix == toPrefix && layers[from].tree:
		return ""
	case from == 0:
		return "leaves import nothing of ours"
	default:
		return fmt.Sprintf("imports run one way, and %s is not below %s", toPrefix, fromPrefix)
	}
}

// foreignImport says what is wrong with using this library here, or "".
func foreignImport(f sourceFile, imp string) string {
	dir := f.dir()
	if within(dir, "loadtest/baseline") {
		return ""
	}
	wiring := within(dir, "cmd") || within(dir, "migrations")
	redisFile := strings.HasSuffix(strings.TrimSuffix(strings.TrimSuffix(f.path, ".go"), "_test"), "_redis")
	switch {
	case strings.HasPrefix(imp, "github.com/gin-gonic/") || strings.HasPrefix(imp, "github.com/gin-contrib/"):
		if !within(dir, "api") {
			return "gin only under api/"
		}
	case imp == "html/template":
		if !within(dir, "api/page") {
			return "html/template only in api/page"
		}
	case within(imp, "github.com/jackc/pgx/v5"):
		switch {
		case f.isTest() || wiring || f.hasSQL && !within(dir, "api"):
		case within(dir, "api") || within(dir, "merchant/terms"):
			return "pgx only in files that hold SQL, of which there are none here"
		case len(f.pgxUses) > 0:
			return "pgx only in files that hold SQL or pass a transaction on, not for " + strings.Join(f.pgxUses, ", ")
		}
	case strings.HasPrefix(imp, "github.com/redis/"):
		if !redisFile && !within(dir, "cmd") {
			return "go-redis only in *_redis.go and cmd/"
		}
	}
	return ""
}

// handles are what a file without SQL may name of pgx: to begin transactions and
// pass them on, and to run a pipeline of statements that are prepared elsewhere.
// Reading rows belongs beside the statement that selects them.
var handles = []string{
	"Tx", "Conn", "ConnConfig", "Pool", "PgError", "ConnectError", "SafeToRetry", "ConnectConfig", "BeginFunc", "BeginTxFunc",
	"TxOptions", "ReadOnly", "RepeatableRead", "ReadCommitted",
	"StatementDescription", "Pipeline", "ResultReader", "RowsFromResultReader",
	// A round trip with COPY in it, which a Pipeline can't hold, is made of messages.
	"PgConn", "FrontendMessage", "Bind", "Execute", "Sync", "CopyData", "CopyDone",
	"CopyInResponse", "DataRow", "CommandComplete", "ErrorResponse", "ReadyForQuery", "NewCommandTag", "ErrorResponseToPgError",
}

// statement recognises SQL by its upper-case first words; prose and column
// lists do not begin so.
var statement = regexp.MustCompile(`^\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|COPY|LISTEN|NOTIFY|WITH|SET|LOCK TABLE|MERGE INTO|CREATE (TABLE|TEMP|INDEX|DATABASE|ROLE))\s`)
