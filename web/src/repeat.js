// Rows that a form may have any number of, e.g. an application's outlets:
//
//   <div data-repeat data-repeat-max="50">
//     <div data-repeat-row>… name="outlet.0.name" … <button type="button" data-repeat-remove>删除</button></div>
//     <template data-repeat-new><div data-repeat-row>… name="outlet.__i__.name" …</div></template>
//   </div>
//   <button type="button" data-repeat-add="#id of the data-repeat" hidden data-needs-script>增加一行</button>
//
// __i__ becomes a number that no row of the page has had.

export function repeating() {
  document.addEventListener("click", (event) => {
    const add = event.target.closest("[data-repeat-add]");
    if (add) addRow(document.querySelector(add.dataset.repeatAdd));
    const remove = event.target.closest("[data-repeat-remove]");
    if (remove) removeRow(remove);
  });
}

function addRow(list) {
  const rows = list.querySelectorAll("[data-repeat-row]");
  if (rows.length >= Number(list.dataset.repeatMax || 200)) return;
  const i = Math.max(Number(list.dataset.repeatNext || 0), rows.length);
  list.dataset.repeatNext = String(i + 1);
  const template = list.querySelector("template[data-repeat-new]");
  const holder = document.createElement("template");
  holder.innerHTML = template.innerHTML.replaceAll("__i__", String(i));
  const row = holder.content.firstElementChild;
  list.insertBefore(row, template);
  row.querySelector("input, select, textarea")?.focus();
  row.dispatchEvent(new CustomEvent("repeat:added", { bubbles: true }));
}

function removeRow(button) {
  const row = button.closest("[data-repeat-row]");
  const list = row.closest("[data-repeat]");
  const neighbour = row.previousElementSibling?.matches("[data-repeat-row]") ? row.previousElementSibling : list.parentElement;
  row.remove();
  list.dispatchEvent(new CustomEvent("repeat:removed", { bubbles: true }));
  neighbour.querySelector("input, select, textarea, button")?.focus();
}
