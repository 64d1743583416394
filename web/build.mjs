// Builds dist/ from src/: styles and scripts with their contents' hash in the
// name, each also compressed, and manifest.json, which maps "console.js" to the
// name it got. Run by `make assets`.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const root = path.dirname(fileURLToPath(import.meta.url));
// Built beside dist and moved in at the end: a build that fails leaves the last
// one, and a `go build` at the same time never sees half of one.
const next = path.join(root, `.dist-${process.pid}`);
const dist = path.join(root, "dist");

/** entries are what a page may ask for by name; the rest are chunks of them. */
const entries = ["console.js", "console.css", "open.js", "open.css", "till.js", "till.css", "till-sw.js"];
/** alone are entries in one file each, without chunks: over a slow line each further
 * file costs a round trip, and a service worker has no imports. */
const alone = ["phone.js", "phone.css", "phone-sw.js"];

try {
  await rm(next, { recursive: true, force: true });
  const common = {
    absWorkingDir: root,
    outdir: next,
    bundle: true,
    minify: true,
    format: "esm",
    target: ["chrome100", "firefox100", "safari15.4"],
    entryNames: "[name]-[hash]",
    chunkNames: "chunk-[hash]",
    assetNames: "[name]-[hash]",
    loader: { ".json": "json", ".svg": "dataurl" },
    legalComments: "none",
    banner: { js: "/* Bundled libraries under MIT, Apache-2.0, BSD: web/package.json */" },
    metafile: true,
    logLevel: "warning",
  };
  const points = (names) => names.map((name) => `src/${name}`);
  const built = await Promise.all([build({ ...common, entryPoints: points(entries), splitting: true }), build({ ...common, entryPoints: points(alone), charset: "utf8" })]);

  const manifest = {};
  const named = [...entries, ...alone];
  for (const [file, output] of built.flatMap((result) => Object.entries(result.metafile.outputs))) {
    if (output.entryPoint && named.includes(path.basename(output.entryPoint))) {
      manifest[path.basename(output.entryPoint)] = path.basename(file);
    }
  }
  for (const name of named) {
    if (!manifest[name]) throw new Error(`${name} was not built`);
  }
  for (const name of await readdir(next)) {
    const body = await readFile(path.join(next, name));
    // Gzip holds a time stamp; zeroed, so that one source gives one dist.
    const gz = gzipSync(body, { level: 9 });
    gz.fill(0, 4, 8);
    const br = brotliCompressSync(body, {
      params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: body.length },
    });
    await writeFile(path.join(next, name + ".gz"), gz);
    await writeFile(path.join(next, name + ".br"), br);
  }
  await writeFile(path.join(next, "manifest.json"), JSON.stringify(manifest, null, 1) + "\n");
  await writeFile(path.join(next, ".gitkeep"), "");
  await swap();
  await report(manifest);
} finally {
  await rm(next, { recursive: true, force: true });
}

/** swap puts the new files where the old ones are; the manifest goes last. */
async function swap() {
  await mkdir(dist, { recursive: true });
  const made = await readdir(next);
  const old = await readdir(dist);
  for (const name of made.filter((n) => n !== "manifest.json")) {
    await rename(path.join(next, name), path.join(dist, name));
  }
  await rename(path.join(next, "manifest.json"), path.join(dist, "manifest.json"));
  for (const name of old.filter((n) => !made.includes(n))) {
    await rm(path.join(dist, name), { force: true });
  }
}

async function report(manifest) {
  for (const [name, file] of Object.entries(manifest)) {
    const body = await readFile(path.join(dist, file));
    const small = await readFile(path.join(dist, file + ".br"));
    const sum = createHash("sha256").update(body).digest("hex").slice(0, 8);
    console.log(`${name}  ${body.length} bytes, ${small.length} compressed  ${sum}`);
  }
}
