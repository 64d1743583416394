// Package file keeps what people upload: licences, photos, stamped scans.
//
// # What is taken
//
// JPEG, PNG and PDF, told apart by content; the client's word for name and type
// decides nothing. An image is decoded and encoded anew, so what is stored is
// pixels: no position in EXIF, no trailing archive, no script. Its size in pixels
// is read from the header first, and only a few are decoded at once. A PDF is
// kept as it is (a stamped scan must stay what was signed) and refused if it can
// act: scripts, launching, attachments, encryption.
//
// # Where it lies
//
// Content is stored under its SHA-256, in a directory outside the web root,
// written to a temporary file, synced and renamed. Its row belongs to an object
// ("application:12") and is written in the caller's transaction. A crash between
// the two leaves content without a row, which Sweep deletes after a day; never a
// row without content.
//
// Put holds a shared advisory lock until its transaction ends and Sweep takes it
// alone, so that Sweep sees the row of all content that may be wanted.
//
// # How it leaves
//
// Headers makes a download: always an attachment, never sniffed, in a sandbox.
// Only an image that was encoded here may be shown in a page.
package file
