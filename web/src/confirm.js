// data-confirm="说明会发生什么" on a form, on one of its buttons or on a choice in it:
// asks in a dialog before the form is sent. data-confirm-ok names the button that
// goes on. Of a button, a ticked choice and the form, the first that asks does.
//
// {places} in the sentence take words from the data-fill (JSON) of what is chosen in
// the form, a later one before an earlier; {lines:name} is how many entries the
// textarea of that name has.
// The dialog is the browser's own <dialog>: it keeps the focus inside and closes
// on Escape; the first focus is on "取消".

export function confirming() {
  document.addEventListener("submit", ask, true);
}

function ask(event) {
  const form = event.target;
  const button = event.submitter;
  const asking = [button, form.querySelector("input[data-confirm]:checked"), form].find((e) => e?.hasAttribute("data-confirm"));
  if (!asking || form.dataset.confirmed) {
    delete form.dataset.confirmed;
    return;
  }
  event.preventDefault();
  event.stopImmediatePropagation();
  const dialog = makeDialog(filled(asking.dataset.confirm, form), asking.dataset.confirmOk || button?.textContent.trim() || "确定", asking.hasAttribute("data-confirm-danger"));
  dialog.addEventListener("close", () => {
    const yes = dialog.returnValue === "yes";
    dialog.remove();
    if (!yes) {
      button?.focus();
      return;
    }
    form.dataset.confirmed = "1";
    form.requestSubmit(button?.form === form ? button : undefined);
  });
  dialog.showModal();
}

function filled(words, form) {
  const fill = {};
  for (const chosen of form.querySelectorAll("input[data-fill]:checked, option[data-fill]:checked")) Object.assign(fill, JSON.parse(chosen.dataset.fill));
  for (let depth = 0; depth < 3; depth++) words = words.replace(/\{(\w+)\}/g, (_, place) => fill[place] ?? "");
  return words.replace(/\{lines:(\w+)\}/g, (_, name) => form.elements[name].value.split(/[\n,，;；]/).filter((line) => line.trim()).length);
}

function makeDialog(words, ok, danger) {
  const dialog = document.createElement("dialog");
  dialog.className = "confirm";
  const form = document.createElement("form");
  form.method = "dialog";
  for (const line of words.split("\n")) {
    const p = document.createElement("p");
    p.textContent = line;
    form.append(p);
  }
  form.firstElementChild.id = "confirm-text";
  dialog.setAttribute("aria-labelledby", "confirm-text");
  const row = document.createElement("div");
  row.className = "confirm-buttons";
  row.append(makeButton("取消", "no", "btn"), makeButton(ok, "yes", danger ? "btn btn-danger" : "btn btn-primary"));
  form.append(row);
  dialog.append(form);
  document.body.append(dialog);
  return dialog;
}

function makeButton(words, value, className) {
  const b = document.createElement("button");
  b.type = "submit";
  b.value = value;
  b.className = className;
  b.textContent = words;
  return b;
}
