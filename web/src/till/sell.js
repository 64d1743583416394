// The selling screen: draws the sale, and takes keys, the scanner and the camera.
import { Camera } from "./camera.js";
import { digits, grouped, kindOf, receiptId } from "./code.js";
import { yuan } from "./format.js";
import { make, put, toast, ui, view } from "./ui.js";
import { QUIET, Wedge } from "./wedge.js";
import { say, whyNot } from "./words.js";

/** HELD is how long a physical key waits to see whether a scanner is typing, ms. */
const HELD = 60;
/** GRACE after a sale: the phone that just paid is still before the camera, ms. */
const GRACE = 2_000;
/** SHOWN parts of an amount at once; there is room for two above the keys. */
const SHOWN = 2;
/** LONGEST typed code. */
const LONGEST = 36;

export class Sell {
  #typed = null;
  #held = [];
  #heldTimer = 0;
  #before = null;
  #quiet = 0;
  /** typing: this terminal takes card numbers typed by hand. */
  typing = true;
  #allParts = false;
  #drawnParts = "";
  #seen = ""; // by the camera, last
  #deafUntil = 0;

  constructor({ sale, settings, openList, actions }) {
    Object.assign(this, { sale, settings, openList, actions });
    this.camera = new Camera(ui.video, {
      found: (text) => this.#saw(text),
      wanted: () => this.#active() && this.sale.wantsCode && this.#typed === null && performance.now() >= this.#deafUntil,
      ended: () => this.draw(),
    });
    this.wedge = new Wedge({
      begin: () => this.#remember(),
      rollback: () => this.#rollback(),
      scanned: (text) => this.#scanned(text),
    });
    for (const button of document.querySelectorAll("[data-key]")) button.addEventListener("click", () => this.key(button.dataset.key));
    ui.go.addEventListener("click", () => this.go());
    ui.entry.addEventListener("click", () => sale.part !== null && sale.select(null));
    ui.parts.addEventListener("click", (event) => this.#choose(event.target.closest("button")));
    ui.cancel.addEventListener("click", () => this.clear());
    ui.typeKey.addEventListener("click", () => this.#type(this.#typed === null ? "" : null));
    ui.cameraKey.addEventListener("click", () => this.turnCamera(!this.camera.on));
    ui.torch.addEventListener("click", async () => {
      const on = ui.torch.getAttribute("aria-pressed") !== "true";
      await this.camera.torch(on);
      ui.torch.setAttribute("aria-pressed", String(on));
    });
    ui.print.addEventListener("click", () => actions.print(sale.receipt));
    ui.undoLast.addEventListener("click", () => actions.undo(sale.receipt));
    ui.giveUp.addEventListener("click", () => openList.giveUp(sale.saleKey));
    // A key of the pad clicked with the mouse must not keep the focus: the keyboard's
    // Enter would press it again.
    document.addEventListener("mousedown", (event) => event.target.closest(".sell button, nav button") && event.preventDefault());
    document.addEventListener("keydown", (event) => this.#keydown(event), { capture: true });
    setInterval(() => this.#clock(), 500);
  }

  /** #active: the selling screen is what is seen, with no box before it. */
  #active() {
    return document.body.dataset.screen === "work" && document.body.dataset.view === "sell" && !document.querySelector("dialog[open]");
  }

  key(key) {
    if (this.#typed !== null) {
      if (key === ".") return;
      this.#type(key === "back" ? this.#typed.slice(0, -1) : (this.#typed + key).slice(0, LONGEST));
    } else this.sale.press(key);
  }

  /** go is the large key. */
  go() {
    const { sale } = this;
    if (ui.go.getAttribute("aria-disabled") === "true") return;
    if (this.#typed !== null) return this.#submitTyped();
    switch (sale.phase) {
      case "idle":
        return this.turnCamera(true);
      case "card":
        return sale.recheckable ? sale.check() : this.#again();
      case "quote":
        return sale.commit();
      case "refused":
        return sale.recheckable && ["offline", "busy"].includes(sale.problem.code) ? sale.check() : this.#again();
      case "expired":
        return this.#again();
      case "done":
      case "unanswered":
        return this.clear();
    }
  }

  clear() {
    if (this.sale.phase === "done") this.#deafUntil = performance.now() + GRACE;
    this.#seen = "";
    this.#typed = null;
    this.#allParts = false;
    this.sale.clear();
    this.draw();
  }

  #again() {
    this.#seen = "";
    this.sale.again();
  }

  #type(text) {
    this.#typed = text;
    this.draw();
  }

  #submitTyped() {
    const code = this.#typed;
    this.#typed = null;
    this.sale.show(code);
    this.draw();
  }

  async turnCamera(on) {
    if (on) {
      const why = await this.camera.start();
      if (why) toast(why, 8);
      ui.torch.hidden = !(await this.camera.torch());
    } else this.camera.stop();
    this.#seen = "";
    this.draw();
    await this.settings.set({ camera: this.camera.on });
  }

  #saw(text) {
    if (text === this.#seen) return;
    this.#seen = text;
    this.#take(text);
  }

  #scanned(text) {
    clearTimeout(this.#heldTimer);
    this.#held = [];
    if (document.querySelector("dialog[open]")) {
      toast("先办完这一步，再扫会员码。");
      return;
    }
    if (receiptId(text)) return this.#take(text);
    if (this.sale.busy) {
      toast("上一笔正在记录，请稍候再扫。");
      return;
    }
    view("sell");
    this.#typed = null;
    this.#take(text);
  }

  #take(text) {
    const id = receiptId(text);
    if (id) return this.actions.find(id); // whatever is being sold stays as it is
    const code = digits(text);
    // What is no code of ours is refused here with a sentence, and costs no guess.
    this.sale.show(code !== null && kindOf(code) ? code : "?");
    this.draw();
  }

  // ---- keys ----

  #keydown(event) {
    if (document.body.dataset.screen !== "work" || event.ctrlKey || event.metaKey || event.altKey) return;
    const key = plain(event);
    if (this.wedge.press(key, event.timeStamp)) {
      event.preventDefault();
      event.stopPropagation();
      clearTimeout(this.#quiet);
      if (key.length === 1) this.#quiet = setTimeout(() => this.wedge.quiet(performance.now()), QUIET + 5);
      return;
    }
    if (!this.#active() || event.target.closest("input, select, textarea")) return;
    if (/^[0-9.]$/.test(key)) this.#hold(key);
    else if (key === "Backspace") this.#flush(() => this.key("back"));
    else if (key === "Escape") this.#flush(() => this.clear());
    else if (key === "Enter" && !event.target.closest("button, a")) this.#flush(() => this.go());
    else return;
    event.preventDefault();
  }

  #hold(key) {
    this.#held.push(key);
    clearTimeout(this.#heldTimer);
    this.#heldTimer = setTimeout(() => this.#flush(), HELD);
  }

  #flush(then) {
    clearTimeout(this.#heldTimer);
    for (const key of this.#held.splice(0)) this.key(key);
    then?.();
  }

  #remember() {
    const field = document.activeElement?.closest?.("input, textarea");
    this.#before = { field, value: field?.value, sale: this.sale.snapshot(), typed: this.#typed };
  }

  /** #rollback puts back what a scanner's first keys did. */
  #rollback() {
    clearTimeout(this.#heldTimer);
    const held = this.#held.splice(0).length > 0;
    const { field, value, sale, typed } = this.#before;
    if (field && field.value !== value) {
      field.value = value;
      field.dispatchEvent(new Event("input", { bubbles: true }));
    }
    if (!held && this.#active() && !field) {
      this.#typed = typed;
      this.sale.restore(sale);
    }
  }

  // ---- drawing ----

  draw() {
    const { sale, camera } = this;
    const said = say(sale, { typed: this.#typed, camera: camera.on });
    ui.verdict.dataset.tone = said.tone;
    ui.verdict.dataset.phase = sale.phase;
    put(ui.word, said.word);
    put(ui.detail, said.detail);
    put(ui.fix, said.fix);
    put(ui.full, said.full > 0 ? `不享受优惠：按原价收 ¥${yuan(said.full)}` : "");
    this.#prices(said.prices);
    this.#offers(said.quote);
    put(ui.holder, holder(said.holder));
    ui.holder.classList.toggle("check", Boolean(said.holder?.check_holder));
    // What can be done afterwards takes the place of how a code comes in.
    for (const name of ["print", "undoLast", "giveUp"]) ui[name].hidden = !said.keys?.includes(name);
    ui.cameraKey.hidden = ui.cancel.hidden = Boolean(said.keys);
    ui.typeKey.hidden = Boolean(said.keys) || !this.typing;
    ui.camera.hidden = !camera.on || !(sale.wantsCode || sale.phase === "card") || this.#typed !== null;
    this.#entry();
    ui.go.textContent = said.go || said.wait;
    ui.go.setAttribute("aria-disabled", String(!said.go));
    press(ui.cameraKey, camera.on);
    press(ui.typeKey, this.#typed !== null);
    this.#clock();
  }

  #prices(p) {
    ui.prices.hidden = !p;
    if (!p) return;
    ui.payable.textContent = `¥${yuan(p.payable_fen)}`;
    ui.before.textContent = `¥${yuan(p.amount_fen)}`;
    ui.saved.textContent = `¥${yuan(p.discount_fen)}`;
    // Nothing was saved: one price, and none struck through.
    for (const row of [ui.before, ui.saved]) row.parentElement.hidden = p.discount_fen === 0;
  }

  #offers(quote) {
    const near = quote?.declined.find((o) => o.need_fen > 0) ?? (quote && quote.discount_fen === 0 ? quote.declined[0] : null);
    const lines = quote ? [
      ...quote.applied.map((o) => make("li", {}, `${o.title}：省 ¥${yuan(o.discount_fen)}`)),
      quote.lifted ? make("li", {}, "按全省底线优惠计算") : null,
      near ? make("li", { class: "near" }, `${near.title}：${whyNot(near, this.sale.shop())}`) : null,
    ].filter(Boolean) : [];
    ui.offers.hidden = lines.length === 0;
    ui.offers.replaceChildren(...lines);
  }

  #entry() {
    const typed = this.#typed, { sale } = this;
    const parts = sale.shop()?.parts ?? [];
    const part = parts.find((p) => p.category === sale.part);
    const amount = part ? sale.parts[part.category] : sale.amount;
    ui.entryName.textContent = typed !== null ? "卡号" : part ? `其中 ${part.name} ¥` : "金额 ¥";
    ui.entryValue.textContent = typed === null ? amount || "0.00" : grouped(typed) || "—";
    ui.entry.classList.toggle("empty", typed === null ? !amount : !typed);
    ui.entry.classList.toggle("part", Boolean(part) && typed === null);
    this.#parts(typed === null && !["sending", "done", "unanswered"].includes(sale.phase) ? parts : []);
    ui.entry.classList.toggle("long", typed !== null && typed.length > 12);
    ui.dot.disabled = typed !== null;
  }

  /** #parts draws what the amount is told apart by, a key each; a shop whose offers
   * are for everything sees none. */
  #parts(parts) {
    const { sale } = this;
    const few = this.#allParts || parts.length <= SHOWN ? parts : parts.filter((p, i) => i < SHOWN || sale.parts[p.category] || p.category === sale.part);
    const keys = few.map((p) => {
      const on = p.category === sale.part;
      const typed = sale.parts[p.category];
      const label = on ? `返回总额 ¥${sale.amount || "0.00"}` : typed ? `其中 ${p.name} ¥${typed}` : `其中 ${p.name} ¥__（没有就不填）`;
      return make("button", { type: "button", class: "small-key", "data-part": p.category, "aria-pressed": String(on) }, label);
    });
    if (few.length < parts.length) keys.push(make("button", { type: "button", class: "small-key", "data-part": "" }, "更多"));
    const drawn = keys.map((k) => k.outerHTML).join();
    ui.parts.hidden = keys.length === 0;
    if (this.#drawnParts === drawn) return; // a key keeps its focus
    const focused = ui.parts.contains(document.activeElement) ? document.activeElement.dataset.part : null;
    this.#drawnParts = drawn;
    ui.parts.replaceChildren(...keys);
    if (focused !== null) keys.find((k) => k.dataset.part === focused)?.focus();
  }

  #choose(button) {
    if (!button) return;
    const { part } = button.dataset;
    if (part) this.sale.select(this.sale.part === part ? null : part);
    else {
      this.#allParts = true;
      this.draw();
    }
  }

  #clock() {
    const { sale } = this;
    if (sale.phase !== "quote" || this.#typed !== null) {
      put(ui.clock, "");
      return;
    }
    const left = Math.max(0, Math.floor(sale.left() / 1000));
    put(ui.clock, `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")} 内有效`);
    ui.clock.classList.toggle("soon", left <= 30);
    sale.tick();
  }
}

/** plain is a key as a scanner means it, whatever input method is on. */
function plain(event) {
  if (event.key === "Process" || event.key === "Unidentified") return /^(?:Digit|Numpad)(\d)$/.exec(event.code)?.[1] ?? event.key;
  const full = /^[０-９]$/.test(event.key) ? digits(event.key) : event.key;
  return full === "Decimal" || full === "。" ? "." : full;
}

function press(button, on) {
  button.setAttribute("aria-pressed", String(on));
}

function holder(card) {
  if (!card) return "";
  const who = `${card.holder_masked}　${card.union}　${card.number_masked}`;
  return card.check_holder ? `请核对持卡人姓名：${who}` : `会员 ${who}`;
}
