// The public pages' script: our own small behaviours, nothing else. The pages do
// all they do without it.
import { enhance } from "./kit.js";

enhance(document);
