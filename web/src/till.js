// The till in the browser (/till).
import { start } from "./till/app.js";

start();
