// Merchants with offers, from the public directory: near a position if the holder
// gives it, else in a county. The position is asked for only when the button is
// pressed, goes to the directory alone (four decimals, some ten metres) and is not kept.
import { $, busy, fill, say } from "./page.js";
import * as store from "./store.js";

const PAGE = 20;

export class Nearby {
  constructor(app) {
    this.app = app;
    $("nearby-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.place = undefined;
      this.find();
    });
    $("city").addEventListener("change", () => this.counties());
    $("here").addEventListener("click", () => this.here());
    $("nearby-more").addEventListener("click", () => busy($("nearby-more"), $("nearby-note"), () => this.load(this.next)));
    $("here").hidden = !("geolocation" in navigator);
  }

  async shown(is) {
    if (!is) return;
    const ready = this.divisions || (await busy($("nearby-form"), $("nearby-note"), () => this.prepare()));
    if (ready && !$("nearby").children.length) this.find();
  }

  /** prepare fills the choices: those of last time, else the union's own county. */
  async prepare() {
    const [divisions, trades] = await Promise.all([this.app.service.open("divisions"), this.app.service.open("trades")]);
    this.divisions = divisions.items;
    const option = (item) => new Option(`${item.name}${item.outlets ? ` (${item.outlets})` : ""}`, item.code);
    // Counties that the province directs rank beside its cities.
    $("city").append(...this.divisions.filter((d) => d.kind === "city" || d.direct).map(option));
    $("trade").append(...trades.items.filter((t) => t.outlets).map(option));
    const last = (await store.read("place")) || this.guess();
    if (last) {
      $("city").value = last.city;
      this.counties();
      $("county").value = last.county;
    }
  }

  guess() {
    const union = this.app.face?.member?.union || "";
    const named = this.divisions.filter((d) => d.kind !== "province" && union.includes(d.name));
    const county = named.find((d) => d.kind === "county" && !d.direct && named.some((c) => c.code === d.parent)) || named[0];
    if (!county) return undefined;
    return county.kind === "city" || county.direct ? { city: String(county.code), county: "" } : { city: String(county.parent), county: String(county.code) };
  }

  counties() {
    const inside = this.divisions.filter((d) => String(d.parent) === $("city").value && d.kind !== "city" && !d.direct);
    $("county").replaceChildren(new Option("不限", ""), ...inside.map((d) => new Option(`${d.name}${d.outlets ? ` (${d.outlets})` : ""}`, d.code)));
    $("county").disabled = inside.length === 0;
  }

  here() {
    say($("nearby-note"), "正在定位…");
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => {
        this.place = { lat: coords.latitude.toFixed(4), lon: coords.longitude.toFixed(4), datum: "wgs84", radius: 20000 };
        this.find();
      },
      () => say($("nearby-note"), "没有取得您的位置。不定位也可以：请选择城市和区县后按“查找”。"),
      { maximumAge: 60_000, timeout: 10_000 },
    );
  }

  async find() {
    const where = this.place || { city: $("city").value, county: $("county").value };
    this.query = { ...where, trade: $("trade").value, q: $("q").value.trim(), limit: PAGE };
    if (!this.place) await store.write({ place: where });
    say($("nearby-note"), "正在查找…");
    await busy($("nearby-form"), $("nearby-note"), () => this.load());
  }

  async load(cursor) {
    const page = await this.app.service.open("outlets", { ...this.query, cursor });
    const rows = page.items.map((o) => {
      const row = fill($("outlet"), {
        name: o.name,
        distance: o.distance_m === undefined ? "" : distance(o.distance_m),
        offers: o.offers.map((f) => f.title).join("；"),
        where: [o.county?.name || o.city?.name, o.address].filter(Boolean).join(" "),
      });
      row.querySelector("a").href = `/outlets/${o.id}`;
      return row;
    });
    if (cursor) $("nearby").append(...rows);
    else $("nearby").replaceChildren(...rows);
    this.next = page.next;
    $("nearby-more").hidden = !page.next;
    const none = !cursor && rows.length === 0;
    say($("nearby-note"), none ? "没有找到。可以换个区县、行业，或去掉要找的文字再试。" : this.place ? "由近到远：" : "");
  }
}

const distance = (metres) => (metres < 1000 ? `${Math.round(metres / 10) * 10} 米` : `${(metres / 1000).toFixed(1)} 公里`);
