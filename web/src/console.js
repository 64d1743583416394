// The console's script: htmx for parts of pages, Tabler's (Bootstrap's) menus,
// dialogs and tabs, and our own small behaviours, each hooked by a data- attribute
// (web/README.md lists them). Pages work without it, only less comfortably.
import htmx from "htmx.org";
import "@tabler/core";
import { enhance } from "./kit.js";

// What is large or rare is fetched when a page has it: attribute → module with
// a function start(element).
const parts = [
  ["data-chart", () => import("./chart.js")],
  ["data-terms-check", () => import("./terms.js")],
];

function start(root) {
  enhance(root);
  for (const [attribute, load] of parts) {
    const found = [...root.querySelectorAll(`[${attribute}]`)].filter((e) => !e.hasAttribute(`${attribute}-started`));
    if (root.matches?.(`[${attribute}]`)) found.push(root);
    for (const element of found) {
      element.setAttribute(`${attribute}-started`, "");
      load().then((module) => module.start(element)).catch((error) => console.error(error));
    }
  }
}

htmx.config.implicitInheritance = true;
document.documentElement.classList.add("scripted");
document.addEventListener("htmx:after:swap", () => start(document));
start(document);
