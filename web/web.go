// Package web holds what browsers get: templates, and the assets that esbuild
// made of styles and scripts (web/build.mjs). Without a build dist is empty and
// pages come without looks and charts; the program says so at start.
package web

import "embed"

// Templates are the pages: templates/layout, templates/part, and one folder an
// audience.
//
//go:embed templates
var Templates embed.FS

// Dist is esbuild's output and its manifest.json, if it was built.
//
//go:embed all:dist
var Dist embed.FS
