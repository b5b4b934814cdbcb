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

  // Downloads: everything is made here, so that they work offline.
  const slug = (text) => text.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "");
  const fileName = (title, ending) => `${slug(document.querySelector("h1").textContent)}-${slug(title)}.${ending}`;
  const save = (blob, name) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  };

  // All plots of a figure as one drawing, side by side as on a wide page, in light colours.
  const GAP = 24;
  // Names of the palette are light colours, in their order; this is the page's ground.
  const GROUND = Object.keys(palette)[3];
  const svgOf = async (figure) => {
    const plots = [...figure.querySelectorAll(".frame")].map((frame) => {
      const box = frame.querySelector(".plot").getBoundingClientRect();
      return { spec: JSON.parse(frame.querySelector("script").textContent), width: Math.round(box.width), height: Math.round(box.height) };
    });
    const columns = plots.length > 4 ? 4 : plots.length;
    const [width, height] = ["width", "height"].map((side) => Math.max(...plots.map((plot) => plot[side])));
    const parts = [];
    for (const [place, { spec }] of plots.entries()) {
      const url = await Plotly.toImage({ data: spec.data, layout: spec.layout }, { format: "svg", width, height });
      const drawn = decodeURIComponent(url.slice(url.indexOf(",") + 1));
      const [x, y] = [(place % columns) * (width + GAP), Math.floor(place / columns) * (height + GAP)];
      parts.push(drawn.replace("<svg", `<svg x="${x}" y="${y}"`));
    }
    const whole = [columns * (width + GAP) - GAP, Math.ceil(plots.length / columns) * (height + GAP) - GAP];
    const ground = `<rect width="100%" height="100%" fill="${GROUND}"/>`;
    return { text: `<svg xmlns="http://www.w3.org/2000/svg" width="${whole[0]}" height="${whole[1]}">${ground}${parts.join("")}</svg>`, size: whole };
  };
  const saveSvg = async (figure, title) => save(new Blob([(await svgOf(figure)).text], { type: "image/svg+xml" }), fileName(title, "svg"));
  const savePng = async (figure, title) => {
    const { text, size } = await svgOf(figure);
    const picture = new Image();
    picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
    await picture.decode();
    // A canvas has a largest side; two pixels for each of the page's where it allows that.
    const scale = Math.min(2, 8000 / Math.max(...size));
    const canvas = Object.assign(document.createElement("canvas"), { width: size[0] * scale, height: size[1] * scale });
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    pen.drawImage(picture, 0, 0);
    canvas.toBlob((blob) => save(blob, fileName(title, "png")), "image/png");
  };

  // Numbers are written as they sort, not as they are rounded for the page.
  const valueOf = (cell) => {
    const text = cell.dataset.key ?? cell.textContent.replace(/\u00a0/g, " ").trim();
    const value = text === "\u2013" ? "" : text;
    // A spreadsheet would run a text that begins like a formula.
    const harmless = /^[=+@\t]|^-(?![\d.])/.test(value) ? `'${value}` : value;
    return /[",\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
  };
  const saveCsv = (table, title) => {
    const lines = [...table.rows].map((row) => [...row.cells].map(valueOf).join(","));
    save(new Blob([`${lines.join("\r\n")}\r\n`], { type: "text/csv" }), fileName(title, "csv"));
  };

  const offer = (place, title, kinds) => {
    const line = document.createElement("p");
    line.className = "downloads";
    line.append("Download: ");
    for (const [kind, act] of kinds) {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: kind });
      button.setAttribute("aria-label", `Download ${title} as ${kind}`);
      button.addEventListener("click", act);
      line.append(button, " ");
    }
    place.after(line);
  };

  for (const figure of document.querySelectorAll("figure")) {
    const title = figure.querySelector("h2, h3, h4, h5").textContent;
    const table = figure.querySelector("table");
    const kinds = [["SVG", () => saveSvg(figure, title)], ["PNG", () => savePng(figure, title)]];
    if (table) kinds.push(["CSV", () => saveCsv(table, title)]);
    offer(figure.querySelector(".plots"), title, kinds);
  }
  for (const region of document.querySelectorAll(".scroll")) {
    const table = region.querySelector("table");
    const title = region.getAttribute("aria-label");
    if (!region.closest("figure")) offer(region, title, [["CSV", () => saveCsv(table, title)]]);
  }

  // What is cut at the right says so.
  const sizes = new ResizeObserver((entries) => {
    for (const { target } of entries) target.toggleAttribute("data-more", target.scrollWidth > target.clientWidth + 1);
  });
  document.querySelectorAll(".scroll, .scrolls").forEach((region) => sizes.observe(region));

  const contents = document.querySelector(".contents");
  if (contents) {
    const links = new Map([...contents.querySelectorAll("a")].map((link) => [link.hash.slice(1), link]));
    const parts = document.createElement("details");
    const list = document.createElement("ul");
    parts.className = "parts";
    parts.append(Object.assign(document.createElement("summary"), { textContent: "All parts" }), list);
    for (const heading of document.querySelectorAll("main :is(h2, h3, h4)[id]")) {
      const item = document.createElement("li");
      item.dataset.level = heading.tagName.slice(1);
      item.append(Object.assign(document.createElement("a"), { href: `#${heading.id}`, textContent: heading.textContent }));
      list.append(item);
    }
    contents.append(parts);
    list.addEventListener("click", () => { parts.open = false; });
    addEventListener("click", ({ target }) => { if (!parts.contains(target)) parts.open = false; });
    addEventListener("keydown", ({ key }) => {
      if (key !== "Escape" || !parts.open) return;
      parts.open = false;
      parts.querySelector("summary").focus();
    });
    const seen = new IntersectionObserver(
      (entries) => {
        for (const { isIntersecting, target } of entries) {
          const link = links.get(target.id);
          if (isIntersecting) link.setAttribute("aria-current", "true");
          else link.removeAttribute("aria-current");
        }
      },
      { rootMargin: "-20% 0px -75% 0px" },
    );
    for (const id of links.keys()) {
      const section = document.getElementById(id);
      if (section) seen.observe(section);
    }
  }
})();
