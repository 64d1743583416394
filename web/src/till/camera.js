// Reads codes with the camera: the browser's own detector where it knows QR codes
// (Android, macOS), which reads the bar code too, else a decoder that is fetched
// when it is first needed.

/** GAP between two looks, ms: quick enough to feel at once, and a cheap phone's
 * battery lasts the day. */
const GAP = 120;
/** SIDE is the longest side of what is decoded, px. */
const SIDE = 720;

export class Camera {
  #stream = null;
  #timer = 0;
  #detect = null;
  #canvas = document.createElement("canvas");

  /** found(text) is told of each code seen; wanted() says whether anybody looks. */
  constructor(video, { found, wanted, ended }) {
    Object.assign(this, { video, found, wanted, ended });
  }

  get on() {
    return this.#stream !== null;
  }

  /** start asks for the camera; the answer is "" or why not, in words. */
  async start() {
    if (this.on) return "";
    if (!navigator.mediaDevices?.getUserMedia) return "这个浏览器不能使用摄像头，请用扫码枪或手输卡号。";
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: false, video: { facingMode: { ideal: "environment" }, width: { ideal: 1280 }, height: { ideal: 720 } } });
    } catch (error) {
      return REASONS[error?.name] ?? "摄像头打不开，请用扫码枪或手输卡号。";
    }
    if (this.on) { // two asked at once
      for (const track of stream.getTracks()) track.stop();
      return "";
    }
    this.#stream = stream;
    stream.getVideoTracks()[0].addEventListener("ended", () => {
      this.stop();
      this.ended();
    });
    this.video.srcObject = stream;
    try {
      this.#detect ??= await detector();
      await this.video.play();
    } catch {
      this.stop();
      return "摄像头没有画面，请换一个摄像头或用扫码枪。";
    }
    this.#look();
    return "";
  }

  stop() {
    clearTimeout(this.#timer);
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    this.video.srcObject = null;
  }

  /** torch turns the lamp on or off; false where there is none. */
  async torch(on) {
    const track = this.#stream?.getVideoTracks()[0];
    if (!track?.getCapabilities?.().torch) return false;
    if (on !== undefined) await track.applyConstraints({ advanced: [{ torch: on }] }).catch(() => {});
    return true;
  }

  async #look() {
    if (!this.on) return;
    if (this.wanted() && this.video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA && !document.hidden) {
      const text = await this.#read().catch(() => "");
      if (text && this.on && this.wanted()) this.found(text);
    }
    this.#timer = setTimeout(() => this.#look(), GAP);
  }

  #read() {
    const { videoWidth: w, videoHeight: h } = this.video;
    if (!w || !h) return "";
    const scale = Math.min(1, SIDE / Math.max(w, h));
    this.#canvas.width = Math.round(w * scale);
    this.#canvas.height = Math.round(h * scale);
    const context = this.#canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(this.video, 0, 0, this.#canvas.width, this.#canvas.height);
    return this.#detect(this.#canvas, context);
  }
}

/** detector returns what reads a canvas: text or "". */
async function detector() {
  const formats = (await globalThis.BarcodeDetector?.getSupportedFormats?.().catch(() => [])) ?? [];
  if (formats.includes("qr_code")) {
    const own = new BarcodeDetector({ formats: ["qr_code", "code_128"].filter((f) => formats.includes(f)) });
    return async (canvas) => (await own.detect(canvas))[0]?.rawValue ?? "";
  }
  const { decode } = await import("./decode.js");
  return async (canvas, context) => decode(context.getImageData(0, 0, canvas.width, canvas.height));
}

const REASONS = {
  NotAllowedError: "没有得到使用摄像头的许可。请点地址栏的摄像头图标改为“允许”，或用扫码枪、手输卡号。",
  NotFoundError: "没有找到摄像头，请用扫码枪或手输卡号。",
  NotReadableError: "摄像头正被别的程序使用，关掉它再试。",
  OverconstrainedError: "没有可用的摄像头，请用扫码枪或手输卡号。",
};
