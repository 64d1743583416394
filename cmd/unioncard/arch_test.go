package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// parseSource reads one file's imports and looks for SQL in it. src is as for
// parser.ParseFile.
func parseSource(path string, src any) (sourceFile, error) {
	f := sourceFile{path: path}
	parsed, err := parser.ParseFile(token.NewFileSet(), path, src, parser.SkipObjectResolution)
	if err != nil {
		return f, err
	}
	for _, spec := range parsed.Imports {
		imp, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return f, err
		}
		f.imports = append(f.imports, imp)
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BasicLit:
			if n.Kind == token.STRING {
				if s, err := strconv.Unquote(n.Value); err == nil && statement.MatchString(s) {
					f.hasSQL = true
				}
			}
		case *ast.SelectorExpr: // rows sent by COPY are SQL without a statement
			f.hasSQL = f.hasSQL || n.Sel.Name == "CopyFrom"
			if x, ok := n.X.(*ast.Ident); ok && slices.Contains([]string{"pgx", "pgxpool", "pgconn"}, x.Name) &&
				!slices.Contains(handles, n.Sel.Name) && !slices.Contains(f.pgxUses, n.Sel.Name) {
				f.pgxUses = append(f.pgxUses, n.Sel.Name)
			}
		case *ast.TypeSpec: // each store declares the database it works on
			_, isInterface := n.Type.(*ast.InterfaceType)
			f.hasSQL = f.hasSQL || isInterface && n.Name.Name == "DB"
		}
		return true
	})
	return f, nil
}

// readTree reads all Go files of the module and its top-level folders.
func readTree(t *testing.T, root string) (files []sourceFile, topLevel []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if !strings.Contains(rel, "/") {
				topLevel = append(topLevel, rel)
			}
			if strings.HasPrefix(d.Name(), ".") || slices.Contains([]string{"node_modules", "testdata", "bin"}, d.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(rel, ".go") {
			return nil
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		f, err := parseSource(rel, src)
		files = append(files, f)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files, topLevel
}

func TestLayering(t *testing.T) {
	t.Parallel()
	files, topLevel := readTree(t, filepath.Join("..", ".."))
	if len(files) < 50 { // else we looked in the wrong place
		t.Fatalf("only %d Go files found", len(files))
	}
	for _, b := range breaches(files, topLevel) {
		t.Error(b)
	}
}

// The rules are themselves held to fixtures: each bad one must be found, and
// each good one beside it must pass.
func TestLayeringRules(t *testing.T) {
	t.Parallel()
	const pgx, gin, redis = "github.com/jackc/pgx/v5/pgxpool", "github.com/gin-gonic/gin", "github.com/redis/go-redis/v9"
	tests := []struct {
		path, imp, body string
		want            string // the reason, "" for allowed
	}{
		{"card/card.go", "unioncard/card/union", "", ""},
		{"card/union/tree.go", "unioncard/card", "", "leaves import nothing of ours"},
		{"card/union/tree.go", "unioncard/card/union/event", "", "leaves import nothing of ours"},
		{"card/union/event/event.go", "unioncard/card/union", "", "leaves import nothing of ours"},
		{"card/union/tree_test.go", "unioncard/card/union", "", ""},
		{"merchant/terms/terms.go", "unioncard/card/feed", "", "leaves import nothing of ours"},
		{"card/card.go", "unioncard/merchant", "", "imports run one way, and merchant is not below card"},
		{"card/card_test.go", "unioncard/merchant", "", "imports run one way, and merchant is not below card"},
		{"merchant/store.go", "unioncard/card", "", ""},
		{"merchant/store.go", "unioncard/settlement/purchase", "", "imports run one way, and settlement/purchase is not below merchant"},
		{"settlement/ledger/post.go", "unioncard/settlement/budget", "", "imports run one way, and settlement/budget is not below settlement/ledger"},
		{"settlement/purchase/commit.go", "unioncard/settlement/ledger", "", ""},
		{"settlement/purchase/commit.go", "unioncard/settlement", "", "imports run one way, and settlement is not below settlement/purchase"},
		{"settlement/close.go", "unioncard/settlement/purchase", "", ""},
		{"merchant/complaint/case.go", "unioncard/settlement", "", ""},
		{"merchant/complaint/case.go", "unioncard/merchant/assessment", "", "imports run one way, and merchant/assessment is not below merchant/complaint"},
		{"merchant/store.go", "unioncard/merchant/complaint", "", "imports run one way, and merchant/complaint is not below merchant"},
		{"api/terminal/verify.go", "unioncard/api/exchange", "", ""},
		{"settlement/purchase/commit.go", "unioncard/api", "", "imports run one way, and api is not below settlement/purchase"},
		{"api/router.go", "unioncard/cmd/unioncard/demo", "", "imports run one way, and cmd is not below api"},
		{"cmd/unioncard/main.go", "unioncard/api", "", ""},
		{"cmd/unioncard/main.go", "unioncard/migrations", "", ""},
		{"card/store.go", "unioncard/migrations", "", "only cmd migrates"},
		{"card/store_test.go", "unioncard/migrations/pgtest", "", ""},
		{"card/store_test.go", "unioncard/migrations", "", ""},
		{"card/store.go", "unioncard/migrations/pgtest", "", "pgtest is for tests"},
		{"cmd/unioncard/main.go", "unioncard/migrations/pgtest", "", "pgtest is for tests"},
		{"migrations/apply.go", "unioncard/card", "", "migrations know no domain"},
		{"loadtest/main.go", "unioncard/card", "", "loadtest imports nothing of ours"},
		{"loadtest/main_test.go", "unioncard/card", "", "loadtest imports nothing of ours"},
		{"loadtest/main.go", "unioncard/loadtest/wire", "", ""},
		{"loadtest/baseline/main.go", gin, "", ""},
		{"cmd/unioncard/simulate.go", "unioncard/loadtest/till", "", "loadtest is nobody's library"},
		{"stray/stray.go", "unioncard/card", "", "package outside the layers"},

		{"api/router.go", gin, "", ""},
		{"cmd/unioncard/serve.go", gin, "", "gin only under api/"},
		{"card/card_test.go", gin, "", "gin only under api/"},
		{"loadtest/main.go", gin, "", "gin only under api/"},
		{"api/page/render.go", "html/template", "", ""},
		{"api/console/list.go", "html/template", "", "html/template only in api/page"},
		{"card/store.go", pgx, "const q = `\n\tSELECT 1`", ""},
		{"card/store.go", pgx, `func f(c interface{ CopyFrom() }) { c.CopyFrom() }`, ""},
		{"card/store.go", pgx, `type DB interface{}`, ""},
		{"card/card.go", pgx, "// SELECT in a comment\nconst q = `Select one, please`\nvar _ = pgx.ErrNoRows\nvar _ pgx.Rows",
			"pgx only in files that hold SQL or pass a transaction on, not for ErrNoRows, Rows"},
		{"card/card.go", pgx, "func f(tx pgx.Tx) { g(tx) }", ""},
		{"merchant/terms/limit.go", pgx, "func f(tx pgx.Tx) { g(tx) }", "pgx only in files that hold SQL, of which there are none here"},
		{"card/card_test.go", pgx, "", ""},
		{"cmd/unioncard/serve.go", pgx, "", ""},
		{"api/router.go", pgx, "const q = `SELECT 1`", "pgx only in files that hold SQL, of which there are none here"},
		{"card/feed/feed_redis.go", redis, "", ""},
		{"card/feed/feed_redis_test.go", redis, "", ""},
		{"card/feed/feed.go", redis, "", "go-redis only in *_redis.go and cmd/"},
		{"cmd/unioncard/serve.go", redis, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.path+" "+tt.imp, func(t *testing.T) {
			t.Parallel()
			f, err := parseSource(tt.path, "package p\nimport _ \""+tt.imp+"\"\n"+tt.body)
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			if tt.want != "" {
				want = []string{tt.path + " imports " + tt.imp + ": " + tt.want}
			}
			if diff := cmp.Diff(want, breaches([]sourceFile{f}, nil)); diff != "" {
				t.Errorf("breaches (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLayeringFolders(t *testing.T) {
	t.Parallel()
	got := breaches(nil, []string{".ci", "card", "internal", "web"})
	if diff := cmp.Diff([]string{"folder internal is not in the layout"}, got); diff != "" {
		t.Errorf("breaches (-want +got):\n%s", diff)
	}
}
