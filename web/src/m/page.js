// Small helpers around the document.

export const $ = (id) => document.getElementById(id);

/** show shows one child of a group by its name, and hides the others. */
export function show(attribute, name) {
  for (const element of document.querySelectorAll(`[${attribute}]`)) element.hidden = element.getAttribute(attribute) !== name;
}

/** say puts words where they are read out; empty ones hide the place. */
export function say(element, words) {
  if (element.textContent !== words) element.textContent = words;
  element.hidden = !words;
}

/** fill copies a template and puts texts into its data-f places; those without a
 * text are taken out. */
export function fill(template, texts) {
  const copy = template.content.cloneNode(true);
  for (const place of copy.querySelectorAll("[data-f]")) {
    const text = texts[place.dataset.f];
    if (text) place.textContent = text;
    else place.remove();
  }
  return copy;
}

/** ask opens the dialog that says what will happen. True if the holder goes on. */
export function ask(title, lines, ok, danger) {
  const dialog = $("ask");
  $("ask-title").textContent = title;
  $("ask-lines").replaceChildren(
    ...lines.map((line) => {
      const item = document.createElement("li");
      item.textContent = line;
      return item;
    }),
  );
  $("ask-ok").textContent = ok;
  $("ask-ok").classList.toggle("danger", Boolean(danger));
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "ok"), { once: true }));
}

/** busy runs work with a button that can't be pressed again meanwhile, and says at
 * `place` what went wrong. True if nothing did. */
export async function busy(button, place, work) {
  if (button.getAttribute("aria-busy") === "true") return false;
  button.setAttribute("aria-busy", "true");
  say(place, "");
  try {
    await work();
    return true;
  } catch (error) {
    if (!error.words) throw error;
    say(place, error.words);
    return false;
  } finally {
    button.removeAttribute("aria-busy");
  }
}
