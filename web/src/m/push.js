// Hears from the service at once: a purchase was made, the card's status changed.
// The line is held only while the page is in front; what was missed is asked for.
const MISSED = 2 * 60_000;

export class Push {
  constructor(app) {
    this.app = app;
  }

  open() {
    if (this.source || document.hidden || !this.app.signed || !window.EventSource) return;
    this.source = new EventSource("/m/api/events");
    this.source.addEventListener("open", () => this.catchUp());
    this.source.addEventListener("used", (event) => this.app.used.tell(JSON.parse(event.data)));
    for (const kind of ["card", "enrolment"]) this.source.addEventListener(kind, () => this.app.refresh());
    this.source.addEventListener("error", () => {
      // The browser tries again by itself, unless the service refused.
      if (this.source?.readyState !== EventSource.CLOSED) return;
      this.close();
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.app.signed && this.app.refresh(), 30_000);
    });
  }

  close() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = undefined;
  }

  /** catchUp tells of a purchase that was made just before the line stood. */
  async catchUp() {
    if (!this.app.held) return;
    try {
      const [last] = (await this.app.service.get("purchases")).items;
      if (!last || last.state !== "committed" || this.app.clock.now() - Date.parse(last.at) > MISSED) return;
      this.app.used.tell({ ...last, purchase: last.id });
    } catch (error) {
      if (!error.words) throw error;
    }
  }
}
