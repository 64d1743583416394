// What concerns the page rather than the holder: large type, the page without a
// network, its place on the home screen.
import { $ } from "./page.js";

const TYPE = "unioncard-type";

/** largeType sets the type as chosen last, and the two buttons that change it. */
export function largeType() {
  const set = (large) => {
    document.documentElement.dataset.type = large ? "large" : "normal";
    for (const id of ["large", "large-mine"]) $(id).setAttribute("aria-pressed", String(large));
    document.dispatchEvent(new Event("type"));
  };
  let large = false;
  try {
    large = localStorage.getItem(TYPE) === "large";
  } catch {
    // Storage is refused; the choice lasts as long as the page.
  }
  set(large);
  for (const id of ["large", "large-mine"]) {
    $(id).addEventListener("click", () => {
      large = !large;
      set(large);
      try {
        localStorage.setItem(TYPE, large ? "large" : "normal");
      } catch {
        // As above.
      }
    });
  }
}

/** serviceWorker keeps the page for when there is no network; after the first view,
 * which should not wait for it. */
export function serviceWorker() {
  if (!navigator.serviceWorker) return;
  const register = () => navigator.serviceWorker.register("/m/sw.js", { scope: "/m" }).catch(() => {});
  if (document.readyState === "complete") register();
  else window.addEventListener("load", register, { once: true });
  // Asks that the keys are not thrown away when the phone's memory gets short.
  navigator.storage?.persist?.();
}

/** installable shows the button that puts the page on the home screen, once the
 * browser offers it. */
export function installable(button) {
  let offer;
  window.addEventListener("beforeinstallprompt", (event) => {
    event.preventDefault();
    offer = event;
    button.hidden = false;
  });
  button.addEventListener("click", async () => {
    await offer?.prompt();
    button.hidden = true;
  });
}
