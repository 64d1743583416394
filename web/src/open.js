// The public pages' script: our own small behaviours, nothing else. The pages do
// all they do without it.
import { enhance } from "./kit.js";
import { nearby } from "./nearby.js";

enhance(document);
nearby(document);
