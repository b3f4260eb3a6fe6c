// Reads the data, shows the sections in the order of the page, and prepares printing.

function start() {
  let data;
  try {
    data = readDocument(document.getElementById("data").textContent);
  } catch (error) {
    const box = document.getElementById("trouble");
    box.hidden = false;
    box.textContent = `Cannot read the data of this report: ${error.message}. Generate the report again with a single version of image-steward.`;
    return;
  }
  showFacts(data);
  showRefusal(data);
  showExposed(data);
  showNow(data);
  showTime(data);
  showTimelines(data);
  showMonth(data);
  showReferences(data);
  showImages(data);
  showGlossary(data);
  preparePrint(data);
}

const PAPER = 680;
const OPENED_ON_PAPER = 50;

function preparePrint(data) {
  /** @type {any[]} The elements of `drawn`, which have a method `draw(width)`. */
  const charts = [...document.querySelectorAll(".chart")];
  let opened = [];
  addEventListener("beforeprint", () => {
    PagedTable.every.forEach((table) => table.startPrint());
    charts.forEach((chart) => chart.draw(PAPER));
    opened = data.images.length <= OPENED_ON_PAPER ? [...document.querySelectorAll(".family:not([open])")] : [];
    opened.forEach((family) => {
      family.show();
      family.open = true;
    });
  });
  addEventListener("afterprint", () => {
    PagedTable.every.forEach((table) => table.endPrint());
    charts.forEach((chart) => chart.draw(Math.floor(chart.getBoundingClientRect().width)));
    opened.forEach((family) => {
      family.open = false;
    });
  });
}

start();
// After the first frame, the page is usable.
requestAnimationFrame(() => setTimeout(() => performance.mark("ready")));
