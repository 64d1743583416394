// The page's elements by name (data-e), and what every part of it uses: screens,
// views, a short message, a question. Text goes in as text, never as markup.

export const ui = new Proxy({}, {
  get: (known, name) => (known[name] ??= document.querySelector(`[data-e="${String(name)}"]`)),
});

/** screen shows one of boot, unsupported, elsewhere, activate, suspended, work. */
export function screen(name) {
  document.body.dataset.screen = name;
  for (const element of document.querySelectorAll("[data-screen-of]")) element.hidden = element.dataset.screenOf !== name;
  ui.nav.hidden = name !== "work";
}

/** view shows one of sell, today, setup of the work screen. */
export function view(name) {
  document.body.dataset.view = name;
  for (const element of document.querySelectorAll("[data-view-of]")) element.hidden = element.dataset.viewOf !== name;
  for (const button of document.querySelectorAll("nav [data-view]")) {
    if (button.dataset.view === name) button.setAttribute("aria-current", "page");
    else button.removeAttribute("aria-current");
  }
}

/** put sets an element's text and hides it when there is none. */
export function put(element, text) {
  if (element.textContent !== (text ?? "")) element.textContent = text ?? "";
  element.hidden = !text;
}

/** make builds an element. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.filter((c) => c != null));
  return element;
}

/** facts fills a list of terms and their values. */
export function facts(list, pairs) {
  list.replaceChildren(...pairs.filter(([, value]) => value).flatMap(([term, value]) => [make("dt", {}, term), make("dd", {}, value)]));
}

let hiding = 0;

/** toast says something for a few seconds, or until the next key. */
export function toast(text, seconds = 5) {
  clearTimeout(hiding);
  ui.toast.textContent = text;
  ui.toast.dataset.shown = "";
  const over = () => {
    clearTimeout(hiding);
    for (const kind of KEYS) document.removeEventListener(kind, over, true);
    delete ui.toast.dataset.shown;
    ui.toast.textContent = "";
  };
  hiding = setTimeout(over, seconds * 1000);
  for (const kind of KEYS) document.addEventListener(kind, over, { capture: true, once: true });
}

/** KEYS are what a cashier goes on with. */
const KEYS = ["pointerdown", "keydown"];

/** ask puts a question that says what will happen; true for yes. */
export function ask(title, text, yes) {
  ui.askTitle.textContent = title;
  ui.askText.textContent = text;
  ui.askYes.textContent = yes;
  return new Promise((resolve) => {
    let answer = false;
    ui.askYes.onclick = () => {
      answer = true;
      ui.askBox.close();
    };
    ui.askNo.onclick = () => ui.askBox.close();
    ui.askBox.addEventListener("close", () => resolve(answer), { once: true });
    ui.askBox.showModal();
    ui.askNo.focus();
  });
}

/** boxes: every dialog's close button, and a click beside it. */
export function boxes() {
  for (const box of document.querySelectorAll("dialog")) {
    box.addEventListener("click", (event) => {
      if (event.target === box || event.target.closest("[data-close]")) box.close();
    });
  }
}
