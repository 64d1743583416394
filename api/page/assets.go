package page

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"

	"unioncard/api/exchange"
)

// Assets are the styles, scripts and fonts that esbuild made. Their names hold
// their contents' hash, so browsers keep them for good.
type Assets struct {
	files  map[string]encoded // "app-X7Q2.js" → contents
	byName map[string]string  // "app.js" → "app-X7Q2.js"
}

// encoded is a file as it is and, if the build made them, compressed.
type encoded struct {
	plain  asset
	br, gz []byte
}

// AssetPath is where assets are served.
const AssetPath = "/assets/"

// NewAssets reads esbuild's output (package web's dist). Built reports whether
// there was any.
func NewAssets(dist fs.FS) (a *Assets, err error) {
	a = &Assets{files: map[string]encoded{}, byName: map[string]string{}}
	manifest, err := fs.ReadFile(dist, "dist/manifest.json")
	if errors.Is(err, fs.ErrNotExist) {
		return a, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(manifest, &a.byName); err != nil {
		return nil, fmt.Errorf("page.NewAssets: manifest: %w", err)
	}
	files, err := fs.ReadDir(dist, "dist")
	if err != nil {
		return nil, err
	}
	bodies := map[string][]byte{}
	for _, f := range files {
		if bodies[f.Name()], err = fs.ReadFile(dist, "dist/"+f.Name()); err != nil {
			return nil, err
		}
	}
	for name, body := range bodies {
		if mediaType(name) == "" || name == "manifest.json" {
			continue
		}
		a.files[name] = encoded{newAsset(mediaType(name), body), bodies[name+".br"], bodies[name+".gz"]}
	}
	for name, hashed := range a.byName {
		if _, ok := a.files[hashed]; !ok {
			return nil, fmt.Errorf("page.NewAssets: the manifest names %s for %s, which is not there", hashed, name)
		}
	}
	return a, nil
}

// Built reports whether the assets were built.
func (a *Assets) Built() bool { return len(a.byName) > 0 }

// URL is where an asset is served, "" if it was not built.
func (a *Assets) URL(name string) string {
	if hashed, ok := a.byName[name]; ok {
		return AssetPath + hashed
	}
	return ""
}

// Send answers with the asset that has a name in the manifest, under whatever
// address the route has, to be asked for anew each time: for what can't have its
// hash in its address, as a service worker. ErrNoRoute if it was not built.
func (a *Assets) Send(x *exchange.Exchange, name string) error {
	f, ok := a.files[a.byName[name]]
	if !ok {
		return exchange.ErrNoRoute
	}
	return f.plain.send(x)
}

// Serve answers GET /assets/*name. Only the files that the build made are there:
// a name is looked up, never opened.
func (a *Assets) Serve(x *exchange.Exchange) error {
	f, ok := a.files[strings.TrimPrefix(x.Gin.Param("name"), "/")]
	if !ok {
		return exchange.ErrNoRoute
	}
	if err := f.plain.send(x); err != nil {
		return err
	}
	x.SetHeader("Cache-Control", "public, max-age=31536000, immutable")
	x.SetHeader("Vary", "Accept-Encoding")
	if x.Status == http.StatusNotModified {
		return nil
	}
	accepted := x.Gin.GetHeader("Accept-Encoding")
	switch {
	case f.br != nil && accepts(accepted, "br"):
		x.SetHeader("Content-Encoding", "br")
		x.Out = append(x.Out[:0], f.br...)
	case f.gz != nil && accepts(accepted, "gzip"):
		x.SetHeader("Content-Encoding", "gzip")
		x.Out = append(x.Out[:0], f.gz...)
	}
	return nil
}

// accepts reports whether a browser takes a coding (RFC 9110 section 12.5.3). A
// weight of nought is a refusal; nobody ranks the rest.
func accepts(header, coding string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, weight, _ := strings.Cut(part, ";")
		if !strings.EqualFold(strings.TrimSpace(name), coding) {
			continue
		}
		q, ok := strings.CutPrefix(strings.TrimSpace(weight), "q=")
		n, err := strconv.ParseFloat(q, 64)
		return !ok || err == nil && n > 0
	}
	return false
}

// mediaType is a file's type, "" for one that is not served.
func mediaType(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".json":
		return "application/json"
	case ".woff2":
		return "font/woff2"
	case ".svg":
		return "image/svg+xml"
	case ".png":
		return "image/png"
	}
	return ""
}

func unescape(s string) (string, error) { return url.QueryUnescape(s) }
