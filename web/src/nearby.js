// A button that asks the browser where we are and lists what is near. Browsers
// give WGS-84, which the server converts; four decimals are ten metres.
export function nearby(root) {
  if (!("geolocation" in navigator) || !window.isSecureContext) return;
  for (const button of root.querySelectorAll("[data-nearby]")) {
    const form = button.form;
    const said = form.querySelector("[data-nearby-said]");
    const say = (text) => {
      said.textContent = text;
      said.hidden = false;
    };
    button.hidden = false;
    button.addEventListener("click", () => {
      say("正在定位…");
      navigator.geolocation.getCurrentPosition(
        ({ coords }) => {
          const query = new URLSearchParams();
          for (const [name, value] of new FormData(form)) {
            if (value && name !== "city" && name !== "county") query.set(name, value);
          }
          query.set("lat", coords.latitude.toFixed(4));
          query.set("lon", coords.longitude.toFixed(4));
          query.set("datum", "wgs84");
          location.assign(`/outlets?${query}`);
        },
        () => say("没有取得您的位置。请允许浏览器定位后再试，或直接选择城市。"),
        { maximumAge: 60000, timeout: 10000 },
      );
    });
  }
}
