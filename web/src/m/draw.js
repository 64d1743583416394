// The code as pictures, drawn in whole device pixels: a bar that is a pixel wider
// than its neighbour is what makes a scanner fail.
import encodeQR from "qr";
import { bars, QUIET } from "./code128.js";

const BLANK = 4; // modules around a QR code (ISO/IEC 18004)

/** qr draws digits as the smallest QR code (version 1, a quarter of it may be lost). */
export function qr(canvas, digits) {
  const rows = encodeQR(digits, "raw", { ecc: "quartile", encoding: "numeric", version: 1, border: BLANK });
  const paint = prepare(canvas, rows.length, rows.length, true);
  rows.forEach((row, y) => row.forEach((dark, x) => dark && paint(x, y, 1, 1)));
}

/** code128 draws an even number of digits as Code 128 C. */
export function code128(canvas, digits) {
  const widths = bars(digits);
  const paint = prepare(canvas, widths.reduce((sum, w) => sum + w, 2 * QUIET), 1, false);
  let x = QUIET;
  widths.forEach((width, i) => {
    if (i % 2 === 0) paint(x, 0, width, 1);
    x += width;
  });
}

/** prepare makes a canvas of so many modules, as large as fits its parent, and
 * gives a function that fills modules. */
function prepare(canvas, columns, rows, square) {
  const ratio = window.devicePixelRatio || 1;
  const room = canvas.parentElement;
  const wide = Math.max(1, Math.floor((room.clientWidth * ratio) / columns));
  const high = square ? wide : Math.max(1, Math.floor(room.clientHeight * ratio));
  const width = columns * wide;
  const height = rows * high;
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  canvas.style.width = `${width / ratio}px`;
  canvas.style.height = `${height / ratio}px`;
  const brush = canvas.getContext("2d", { alpha: false });
  brush.fillStyle = "#fff";
  brush.fillRect(0, 0, width, height);
  brush.fillStyle = "#000";
  return (x, y, w, h) => brush.fillRect(x * wide, y * high, w * wide, h * high);
}
