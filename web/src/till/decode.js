// A QR decoder for browsers that have none of their own; a chunk that is fetched
// when the camera is first turned on.
import decodeQR from "qr/decode.js";

/** decode reads the QR code in a picture, "" without one. */
export function decode(image) {
  try {
    return decodeQR(image);
  } catch {
    return ""; // no code in this frame
  }
}
