// The till put together: who this machine is, which tab sells, what stands in the
// way, and the screens for each.
import { Api } from "./api.js";
import { openDatabase } from "./db.js";
import { adopt, newKey, normalCode, supported } from "./identity.js";
import { lead } from "./lead.js";
import { OpenList } from "./open.js";
import { print } from "./receipt.js";
import { Sale } from "./sale.js";
import { Sell } from "./sell.js";
import { Settle } from "./settle.js";
import { shell } from "./shell.js";
import { sounds } from "./sound.js";
import { Today } from "./today.js";
import { fixOf } from "./words.js";
import { boxes, facts, put, screen, toast, ui, view } from "./ui.js";

/** BEAT is how often an idle till asks whether it is still one, ms. */
const BEAT = 60_000;
/** SUSPENDED_BEAT is the same while it is suspended, ms. */
const SUSPENDED_BEAT = 20_000;

const DEFAULTS = { operator: "", sound: true, autoPrint: false, camera: false };

export async function start() {
  const why = await supported();
  if (why) return refuse(why);
  let db;
  try {
    db = await openDatabase();
  } catch {
    return refuse("storage");
  }
  shell();
  boxes();
  const app = new App(db);
  await app.prepare();
  const leader = lead({ start: () => app.lead(), lost: () => app.follow() });
  ui.takeOver.addEventListener("click", () => leader.take());
}

function refuse(why) {
  const words = {
    insecure: ["要用安全地址打开", "收银台的密钥和摄像头只能在 https 地址上使用。", "请把地址开头的 http:// 改成 https:// 再打开；还不行请联系帮扶中心。"],
    old: ["这个浏览器不能用作收银台", "收银台要在浏览器里保管一把密钥（Ed25519），这个浏览器太旧，做不到。", "请换用或升级：谷歌浏览器 Chrome 137、微软 Edge 137、苹果 Safari 17、火狐 Firefox 130 或更新的版本。"],
    storage: ["浏览器不让保存数据", "收银台要在本机保存密钥和没有收到答复的交易，浏览器拒绝了。", "请退出无痕（隐私）模式，允许本网站保存数据，并确认磁盘没有写满。"],
  }[why];
  [ui.unsupportedTitle.textContent, ui.unsupportedWhy.textContent, ui.unsupportedFix.textContent] = words;
  line("none", "不能使用");
  screen("unsupported");
}

/** line says how this till stands to the service. */
function line(state, words) {
  ui.line.dataset.state = state;
  ui.line.textContent = words;
}

class App {
  #leading = false;
  #beat = 0;
  #resumed = false;

  constructor(db) {
    this.db = db;
    this.identity = null;
    this.shop = null;
  }

  async prepare() {
    this.settings = { ...DEFAULTS, ...(await this.db.get("kept", "settings")) };
    // Not a field of what is stored.
    Object.defineProperty(this.settings, "set", {
      value: async (change) => {
        Object.assign(this.settings, change);
        await this.db.put("kept", { ...this.settings }, "settings").catch(() => toast("设置没有存下来，浏览器不让保存数据。"));
        this.#drawSettings();
      },
    });
    const sound = sounds(this.settings);
    this.api = new Api({
      changed: (trouble, detail) => this.#trouble(trouble, detail),
      keep: async (identity) => {
        this.identity = identity;
        await this.db.put("kept", identity, "identity");
      },
    });
    this.settle = new Settle({ db: this.db, api: this.api, shown: (entries) => this.openList.show(entries.filter((e) => !this.#onScreen(e))), settled: (entry) => this.#settled(entry) });
    this.openList = new OpenList({ settle: this.settle, sound });
    this.sale = new Sale({ api: this.api, settle: this.settle, settings: this.settings, sound, store: session, changed: () => this.#changed(), shop: () => this.shop, renew: () => this.#renew() });
    const actions = {
      print: (purchase) => print(purchase, this.shop, this.settings.operator),
      undo: (purchase) => this.today.show(purchase, true),
      find: (id) => {
        view("today");
        this.today.load();
        this.today.find(id);
      },
      undone: (purchase) => {
        this.sale.undone(purchase);
        if (document.body.dataset.view === "today") this.today.load();
      },
    };
    this.today = new Today({ api: this.api, settle: this.settle, settings: this.settings, actions });
    this.sell = new Sell({ sale: this.sale, settings: this.settings, openList: this.openList, actions });
    this.actions = actions;
    this.#wire();
    this.#drawSettings();
  }

  /** lead: this tab sells from now on. Another tab may have sold, or activated the
   * till anew, meanwhile. */
  async lead() {
    this.#leading = true;
    this.identity = await this.db.get("kept", "identity");
    this.shop = await this.db.get("kept", "shop");
    if (!this.identity) return this.#activation();
    await this.#work();
  }

  /** follow: another tab sells. */
  follow() {
    this.#leading = false;
    line("none", "在另一页收款");
    clearTimeout(this.#beat);
    this.settle.stop();
    this.sell.camera.stop();
    screen("elsewhere");
  }

  async #work() {
    this.api.be(this.identity);
    this.#named();
    screen("work");
    view("sell");
    if (!this.#resumed) {
      this.#resumed = true;
      this.sale.resume(await this.settle.open());
    }
    this.sell.draw();
    if (this.settings.camera) this.sell.turnCamera(true);
    this.#heartbeat();
    await this.settle.start(this.identity.clientId);
  }

  #heartbeat = async () => {
    clearTimeout(this.#beat);
    if (!this.#leading || !this.identity) return;
    if (!document.hidden) await this.#renew();
    this.#beat = setTimeout(this.#heartbeat, this.api.trouble === "suspended" ? SUSPENDED_BEAT : BEAT);
  };

  /** #renew asks what this terminal is now. */
  async #renew() {
    const answer = await this.api.call("GET", "/v1/terminal");
    if (!answer.ok) return;
    this.shop = answer.body;
    await this.db.put("kept", answer.body, "shop").catch(() => {});
    this.#named();
  }

  #named() {
    ui.shop.textContent = this.shop?.outlet_name || this.shop?.merchant_name || "收银台";
    this.sell.typing = this.shop?.typed_allowed !== false;
    this.sell.draw();
    this.#drawSettings();
  }

  /** #trouble is told what stands between this till and the service. */
  #trouble(trouble, detail) {
    if (!this.#leading) return;
    line(trouble ?? "good", { offline: "没有网络", suspended: "已停用", key: "密钥无效" }[trouble] ?? "已连接");
    if (trouble === "suspended") {
      if (detail) [ui.suspendedDetail.textContent, ui.suspendedFix.textContent] = [detail.detail, `${detail.fix}恢复以后，这里会自动接上。`];
      put(ui.suspendedWhen, "本页每隔 20 秒看一次是否已经恢复。");
      this.sell.camera.stop();
      screen("suspended");
      clearTimeout(this.#beat);
      this.#beat = setTimeout(this.#heartbeat, SUSPENDED_BEAT);
    } else if (trouble === "key") {
      this.sell.camera.stop();
      this.#activation("本终端的密钥已经更换，或这台机器的登记已注销，所以不能再收款。", "没有查清的交易还留在本机：同一终端换钥以后会接着查。");
    } else if (trouble === null) {
      if (document.body.dataset.screen === "suspended") screen("work");
      this.settle.now();
    }
  }

  #settled(entry) {
    if (this.sale.settled(entry)) this.settle.seen(entry.key);
    if (document.body.dataset.view === "today") this.today.load();
  }

  /** #onScreen: the sale on the screen already says how it stands with this. */
  #onScreen(entry) {
    return entry.state === "settled" && entry.key === this.sale.saleKey;
  }

  #changed() {
    this.sell.draw();
    if (this.sale.phase === "done" && this.settings.autoPrint && session.printed !== this.sale.receipt.id) {
      session.printed = this.sale.receipt.id; // a reload shows it again and prints no second one
      this.actions.print(this.sale.receipt);
    }
  }

  // ---- activation ----

  #activation(why = "", more = "") {
    if (!this.identity) line("none", "还没有激活");
    put(ui.activateWhy, why && `${why}${more}`);
    ui.activateTitle.textContent = why || this.identity ? "重新激活收银台" : "激活收银台";
    ui.activateBack.hidden = Boolean(why) || !this.identity;
    screen("activate");
    const field = ui.activateForm.elements.code;
    // A link from the office may carry the code behind #, which is never sent.
    const carried = normalCode(decodeURIComponent(location.hash.slice(1)));
    if (carried) {
      field.value = carried;
      history.replaceState(null, "", location.pathname);
    }
    field.focus();
  }

  async #activate() {
    const error = document.getElementById("activation-error");
    const button = ui.activateForm.querySelector("[type=submit]");
    const field = ui.activateForm.elements.code;
    const code = normalCode(field.value);
    const fail = (text) => {
      put(error, text);
      field.setAttribute("aria-invalid", "true");
      field.focus();
    };
    if (!code) return fail("激活码是 12 个字母和数字，请对照帮扶中心给的码核对。");
    button.disabled = true;
    put(error, "");
    field.removeAttribute("aria-invalid");
    try {
      const key = await newKey(this.db, code);
      const answer = await this.api.activate(code, key.publicKey);
      if (answer.lost) return fail("没有收到答复。激活码还能用：检查网络后再点一次“激活”。");
      if (!answer.ok) return fail(`${answer.problem.detail}${HINTS[answer.problem.code] ?? fixOf(answer.problem)}`);
      if (!answer.body.outlet) return fail("这是 POS 服务器的激活码，不能用于收银台。请向帮扶中心要本门店的激活码。");
      this.identity = await adopt(this.db, key, answer.body);
      field.value = "";
      await navigator.storage?.persist?.().catch(() => false);
      await this.#work();
      toast("激活成功，可以收款了。");
    } catch (problem) {
      fail(`本机存不下密钥（${problem?.name ?? "错误"}）。请退出无痕模式，确认磁盘没有写满，再试一次。`);
    } finally {
      button.disabled = false;
    }
  }

  // ---- the rest of the page ----

  #wire() {
    ui.activateForm.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#activate();
    });
    ui.activateBack.addEventListener("click", () => this.#work());
    ui.rekey.addEventListener("click", () => this.#activation());
    ui.newCode.addEventListener("click", () => this.#activation());
    ui.askAgain.addEventListener("click", async () => {
      await this.#heartbeat();
      if (this.api.trouble === "suspended") toast("还没有恢复。");
    });
    for (const button of document.querySelectorAll("nav [data-view]")) {
      button.addEventListener("click", () => {
        view(button.dataset.view);
        if (button.dataset.view === "today") this.today.load();
        if (button.dataset.view === "setup") this.#drawSettings();
      });
    }
    ui.settings.addEventListener("change", () => {
      const { operator, sound, autoPrint } = ui.settings.elements;
      this.settings.set({ operator: operator.value.trim(), sound: sound.checked, autoPrint: autoPrint.checked });
    });
    ui.settings.addEventListener("submit", (event) => event.preventDefault());
    window.addEventListener("online", () => this.#heartbeat());
    window.addEventListener("offline", () => this.#leading && this.identity && this.#trouble("offline"));
    document.addEventListener("visibilitychange", () => document.hidden || this.#heartbeat());
  }

  async #drawSettings() {
    const { operator, sound, autoPrint } = ui.settings.elements;
    if (document.activeElement !== operator) operator.value = this.settings.operator;
    sound.checked = this.settings.sound;
    autoPrint.checked = this.settings.autoPrint;
    const minutes = Math.round(this.api?.skew / 60_000);
    facts(ui.facts, [
      ["商家", this.shop?.merchant_name], ["门店", this.shop?.outlet_name], ["终端编号", this.identity && String(this.identity.terminal)],
      ["手输卡号", this.shop && (this.shop.typed_allowed ? "允许" : "不允许，只能扫码")],
      ["本机时钟", minutes ? `${minutes > 0 ? "慢" : "快"}了约 ${Math.abs(minutes)} 分钟，收款已按服务器时间办理，请校准` : "准"],
      ["数据保存", (await navigator.storage?.persisted?.()) ? "浏览器会一直保存" : "浏览器空间不足时可能清掉，请把收银台添加到主屏幕或收藏"],
    ]);
  }
}

const HINTS = { activation_invalid: "激活码 15 分钟内有效，只能用在一台机器上。" };

/** session is what a reload of this tab brings back. */
const session = {
  read() {
    try {
      return JSON.parse(sessionStorage.getItem("till-sale"));
    } catch {
      return null;
    }
  },
  write(value) {
    try {
      sessionStorage.setItem("till-sale", JSON.stringify(value));
    } catch { /* full or forbidden: a reload starts anew, nothing else */ }
  },
  get printed() {
    return sessionStorage.getItem("till-printed");
  },
  set printed(id) {
    try {
      sessionStorage.setItem("till-printed", id);
    } catch { /* a reload may print it again */ }
  },
};
