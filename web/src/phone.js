// The phone page: the member's code, purchases, offers nearby, and the way to
// report a card lost. Everything without a library but the QR code's.
import { start } from "./m/app.js";

start();
