// Goals against last year and what is expected: one Vega view, fed with new rows in place. Vega
// comes from Python once, when there is something to draw: the answer is painted before it.

let vegaOnce = null;

function fetchVega(model) {
  vegaOnce ??= new Promise((resolve, reject) => {
    const hear = async (message, buffers) => {
      if (message.kind !== "vega") return;
      model.off("msg:custom", hear);
      const url = URL.createObjectURL(new Blob([buffers[0]], { type: "text/javascript" }));
      try {
        resolve((await import(url)).embed);
      } catch (error) {
        reject(error);
      } finally {
        URL.revokeObjectURL(url);
      }
    };
    model.on("msg:custom", hear);
    model.send({ kind: "vega" });
  });
  return vegaOnce;
}

// A chart on a transparent ground takes its colours from the page, in light and in dark.
function inColour(config, colour) {
  const words = { labelColor: colour, titleColor: colour };
  return {
    ...config,
    background: "transparent",
    axis: { ...config.axis, ...words, tickColor: colour, domainColor: colour, gridOpacity: 0.25 },
    legend: { ...config.legend, ...words },
  };
}

class Picture {
  constructor(host, model) {
    this.host = host;
    this.model = model;
    this.canvas = document.createElement("div");
    this.newest = [];
    this.work = Promise.resolve();
    this.watcher = new MutationObserver(() => this.redraw());
    this.watcher.observe(document.body, { attributeFilter: ["data-jp-theme-light"] });
    host.append(this.canvas);
    host.setAttribute("role", "img");
  }

  update(rows, digest) {
    this.digest = digest;
    this.host.setAttribute("aria-label", rows.map((row) => row.words).join("; "));
    this.canvas.hidden = !rows.length;
    const isNew = JSON.stringify(rows) !== JSON.stringify(this.newest);
    if (isNew) this.newest = rows;
    if (!rows.length) this.drawn = rows;
    this.mark();
    if (isNew) this.redraw();
  }

  // What is drawn carries the digest of what it was computed from, and is grey until it is newest.
  mark() {
    if (this.drawn === this.newest) this.host.dataset.drawn = this.digest;
    this.host.classList.toggle("pk-old", this.drawn !== this.newest);
  }

  // One drawing after the other; each draws the newest rows, so none is drawn for nothing.
  redraw() {
    if (!this.newest.length) return;
    this.work = this.work
      .then(() => this.draw())
      .catch((error) => {
        this.canvas.textContent = `The picture cannot be drawn here: ${error}`;
      });
  }

  async draw() {
    const embed = await fetchVega(this.model);
    const { color } = getComputedStyle(this.host);
    const isSameLook = this.view && this.colour === color;
    if (this.drawn === this.newest && isSameLook) return;
    this.drawn = this.newest;
    if (isSameLook) await this.view.data("people", this.drawn).runAsync();
    else await this.drawAnew(embed, color);
    this.mark();
  }

  async drawAnew(embed, colour) {
    this.view?.finalize();
    this.colour = colour;
    const chart = this.model.get("chart");
    const config = inColour(chart.config, colour);
    const spec = { ...chart, datasets: { people: this.drawn }, config };
    this.view = (await embed(this.canvas, spec, { actions: false, renderer: "svg" })).view;
  }

  close() {
    this.watcher.disconnect();
    this.view?.finalize();
  }
}

export function makePicture(host, model) {
  return new Picture(host, model);
}
