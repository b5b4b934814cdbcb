"use strict";
(() => {
  const palette = JSON.parse(document.getElementById("palette").textContent);
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  const finePointer = matchMedia("(pointer: fine)");
  const frames = [...document.querySelectorAll(".frame")];
  let printing = false;

  // Figures are written in light colours; each has a dark twin.
  const coloured = (value, dark) => {
    if (typeof value === "string") return (dark && palette[value]) || value;
    if (Array.isArray(value)) return value.map((item) => coloured(item, dark));
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, coloured(item, dark)]));
  };

  const draw = (frame) => {
    const { data, layout } = JSON.parse(frame.querySelector("script").textContent);
    const dark = prefersDark.matches && !printing;
    const spec = coloured({ data, layout }, dark);
    // A finger that drags wants to scroll the page, not to enlarge the plot.
    spec.layout.dragmode = finePointer.matches ? "zoom" : false;
    const options = { displayModeBar: false, responsive: true, showTips: false };
    // Drawn anew: a plot that is only changed keeps its width, and changes some of its colours later.
    Plotly.newPlot(frame.querySelector(".plot"), spec.data, spec.layout, options);
    frame.dataset.drawn = dark ? "dark" : "light";
  };

  const drawAll = () => frames.forEach(draw);
  const redraw = () => frames.filter((frame) => frame.dataset.drawn).forEach(draw);

  const near = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        near.unobserve(target);
        draw(target);
      }
    },
    { rootMargin: "600px" },
  );
  frames.forEach((frame) => near.observe(frame));
  prefersDark.addEventListener("change", redraw);
  // The page is laid out for paper only after this event, so the plots are given paper's width by hand.
  const setPaper = (on) => {
    printing = on;
    document.documentElement.toggleAttribute("data-paper", on);
  };
  addEventListener("beforeprint", () => { setPaper(true); drawAll(); });
  addEventListener("afterprint", () => { setPaper(false); redraw(); });

  const compare = (left, right, direction) => {
    if (left === "" || right === "") return (left === "") - (right === "");
    const difference = left - right;
    return direction * (Number.isNaN(difference) ? left.localeCompare(right) : difference);
  };

  const sortBy = (table, column, direction) => {
    const key = (row) => row.cells[column].dataset.key ?? row.cells[column].textContent;
    const body = table.tBodies[0];
    const rows = [...body.rows].sort((left, right) => compare(key(left), key(right), direction));
    body.append(...rows);
  };

  for (const table of document.querySelectorAll("table.sortable")) {
    table.tHead.addEventListener("click", ({ target }) => {
      const button = target.closest("button");
      if (!button) return;
      const header = button.parentElement;
      const ascending = header.getAttribute("aria-sort") !== "ascending";
      for (const other of header.parentElement.cells) other.removeAttribute("aria-sort");
      header.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      sortBy(table, Number(button.dataset.column), ascending ? 1 : -1);
    });
  }
})();
