// The live check beside an offer being written: a moment after the last change
// the form goes to the server as typed, and what publishing would say comes back.
// Only the latest answer is shown. Pages work without: the form has a button.
//
// start is called for the element with data-terms-check, whose content is
// replaced; the form is the one with data-terms-form.

const quiet = 450; // ms after the last key

export function start(panel) {
  const form = document.querySelector("[data-terms-form]");
  if (!form) return;
  const side = panel.closest(".terms-side");
  let timer = 0;
  let running = null;

  const check = async () => {
    running?.abort();
    running = new AbortController();
    side?.classList.add("is-checking");
    try {
      const answer = await fetch(panel.dataset.termsCheck, {
        method: "POST",
        body: new URLSearchParams(new FormData(form)),
        headers: { "HX-Request": "true" },
        signal: running.signal,
      });
      const login = answer.headers.get("HX-Redirect");
      if (login) {
        say(panel, "登录已过期，请另开一个窗口登录后再保存，这里填的内容不会丢。");
        return;
      }
      if (!answer.ok) {
        say(panel, "暂时比较不了，可以先保存草稿。");
        return;
      }
      show(panel, await answer.text());
    } catch (error) {
      if (error.name !== "AbortError") say(panel, "网络不通，暂时比较不了。");
      else return;
    }
    side?.classList.remove("is-checking");
  };
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(check, quiet);
  };
  form.addEventListener("input", soon);
  form.addEventListener("change", soon);
  form.addEventListener("repeat:removed", soon);
  // Choices of the curve stand outside the form, and belong to it.
  panel.addEventListener("change", soon);
  pasting(form);
  // Who types fast, or comes back to a form the browser kept, was here before us.
  if ([...form.elements].some(typed)) soon();
}

/** typed: a field is no longer as the page brought it. */
function typed(field) {
  if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
  return field.defaultValue !== undefined && field.value !== field.defaultValue;
}

function show(panel, html) {
  const open = [...panel.querySelectorAll("details")].map((d) => d.open);
  panel.innerHTML = html;
  panel.querySelectorAll("details").forEach((d, i) => (d.open = Boolean(open[i])));
  document.dispatchEvent(new CustomEvent("htmx:after:swap", { bubbles: true }));
}

function say(panel, words) {
  const word = panel.querySelector(".verdict-word");
  if (word) word.textContent = words;
  panel.closest(".terms-side")?.classList.remove("is-checking");
}

/** Two columns pasted from a table spread over the rows of group prices. */
function pasting(form) {
  const list = form.querySelector("[data-paste-pairs]");
  list?.addEventListener("paste", (event) => {
    const text = event.clipboardData?.getData("text") || "";
    const lines = text.split(/\r?\n/).filter((l) => l.trim());
    if (event.target.name !== "price_sku" || (lines.length < 2 && !text.includes("\t"))) return;
    event.preventDefault();
    const add = form.querySelector('[data-repeat-add="#prices"]');
    let rows = [...list.querySelectorAll("[data-repeat-row]")];
    let at = rows.indexOf(event.target.closest("[data-repeat-row]"));
    for (const line of lines) {
      if (at >= rows.length) {
        add.click();
        rows = [...list.querySelectorAll("[data-repeat-row]")];
        if (at >= rows.length) break; // as many as there may be
      }
      const cells = line.includes("\t") ? line.split("\t") : line.trim().split(/\s+/);
      rows[at].querySelector('[name="price_sku"]').value = cells[0].trim();
      rows[at].querySelector('[name="price_yuan"]').value = (cells[1] || "").trim();
      at++;
    }
    form.dispatchEvent(new Event("change", { bubbles: true }));
  });
}
