package page

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"strings"

	"unioncard/api/exchange"
)

// Assets are the styles, scripts and fonts that esbuild made. Their names hold
// their contents' hash, so browsers keep them for good.
type Assets struct {
	files  map[string]asset  // "app-X7Q2.js" → contents
	byName map[string]string // "app.js" → "app-X7Q2.js"
}

// AssetPath is where assets are served.
const AssetPath = "/assets/"

// NewAssets reads esbuild's output (package web's dist). Built reports whether
// there was any.
func NewAssets(dist fs.FS) (a *Assets, err error) {
	a = &Assets{files: map[string]asset{}, byName: map[string]string{}}
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
	err = fs.WalkDir(dist, "dist", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) == ".gitkeep" {
			return err
		}
		body, err := fs.ReadFile(dist, name)
		if err != nil {
			return err
		}
		a.files[strings.TrimPrefix(name, "dist/")] = newAsset(mediaType(name), body)
		return nil
	})
	return a, err
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

// Serve answers GET /assets/*name.
func (a *Assets) Serve(x *exchange.Exchange) error {
	f, ok := a.files[strings.TrimPrefix(x.Gin.Param("name"), "/")]
	if !ok {
		return exchange.ErrNoRoute
	}
	if err := f.send(x); err != nil {
		return err
	}
	x.SetHeader("Cache-Control", "public, max-age=31536000, immutable")
	return nil
}

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
	return "application/octet-stream"
}

func unescape(s string) (string, error) { return url.QueryUnescape(s) }
