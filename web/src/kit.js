// Small behaviours hooked by data- attributes, for every page. enhance may run
// again over the same elements after a part of the page was replaced.
import { confirming } from "./confirm.js";
import { repeating } from "./repeat.js";

let listening = false;

export function enhance(root) {
  if (!listening) {
    listening = true;
    document.addEventListener("submit", submitting);
    document.addEventListener("click", clicking);
    document.addEventListener("input", (e) => e.target.form?.hasAttribute("data-guard") && (e.target.form.dataset.dirty = "1"));
    window.addEventListener("beforeunload", leaving);
    window.addEventListener("pageshow", () => document.querySelectorAll("[data-sent]").forEach(unsend));
    confirming();
    repeating();
  }
  for (const element of root.querySelectorAll("[data-needs-script]")) element.hidden = false;
  // After a refused form the first thing to read is what was wrong.
  root.querySelector("[data-errors]")?.focus();
}

/** A form is sent once: a second click while the first travels does nothing. */
function submitting(event) {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post" || form.target || form.hasAttribute("hx-post")) return;
  if (form.hasAttribute("data-sent")) {
    event.preventDefault();
    return;
  }
  form.setAttribute("data-sent", "");
  delete form.dataset.dirty;
  // A lost answer leaves the page where it is: free again. A download does always, and
  // the next one is another: only a double click is held back.
  setTimeout(() => unsend(form), form.hasAttribute("data-download") ? 1000 : 15000);
}

function unsend(form) {
  form.removeAttribute("data-sent");
}

/** data-guard: leaving a form that was typed in asks first. */
function leaving(event) {
  if (document.querySelector("form[data-guard][data-dirty]")) event.preventDefault();
}

function clicking(event) {
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    navigator.clipboard?.writeText(copy.dataset.copy).then(() => say(copy, "已复制"));
  }
  if (event.target.closest("[data-print]")) window.print();
  const all = event.target.closest("[data-check-all]");
  if (all) {
    for (const box of document.querySelectorAll(`input[type=checkbox][name="${CSS.escape(all.dataset.checkAll)}"]`)) box.checked = all.checked;
  }
}

function say(element, words) {
  const before = element.textContent;
  element.textContent = words;
  setTimeout(() => (element.textContent = before), 1500);
}
