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

function makePicture(host, model) {
  const canvas = document.createElement("div");
  let view = null;
  let newest = [];
  let drawn = null;
  let colour = "";
  let digest = "";
  let work = Promise.resolve();
  host.append(canvas);
  host.setAttribute("role", "img");

  // What is drawn carries the digest of what it was computed from, and is grey until it is newest.
  function mark() {
    if (drawn === newest) host.dataset.drawn = digest;
    host.classList.toggle("pk-old", drawn !== newest);
  }

  async function draw() {
    const embed = await fetchVega(model);
    const { color } = getComputedStyle(host);
    if (drawn === newest && colour === color) return;
    drawn = newest;
    if (view && colour === color) {
      await view.data("people", drawn).runAsync();
      return mark();
    }
    view?.finalize();
    colour = color;
    const chart = model.get("chart");
    const config = inColour(chart.config, color);
    const spec = { ...chart, datasets: { people: drawn }, config };
    view = (await embed(canvas, spec, { actions: false, renderer: "svg" })).view;
    mark();
  }

  // One drawing after the other; each draws the newest rows, so none is drawn for nothing.
  function redraw() {
    if (!newest.length) return;
    work = work.then(draw).catch((error) => {
      canvas.textContent = `The picture cannot be drawn here: ${error}`;
    });
  }

  const watcher = new MutationObserver(redraw);
  watcher.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
  return {
    update(rows, newDigest) {
      digest = newDigest;
      host.setAttribute("aria-label", rows.map((row) => row.words).join("; "));
      canvas.hidden = !rows.length;
      if (JSON.stringify(rows) === JSON.stringify(newest)) return mark();
      newest = rows;
      mark();
      redraw();
    },
    close() {
      watcher.disconnect();
      view?.finalize();
    },
  };
}
