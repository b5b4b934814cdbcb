"use strict";
// Beside Optuna Dashboard's own page: a way back to tuner's pages, the reason of a refusal, and no control that is refused.
(() => {
  const readOnly = document.currentScript.hasAttribute("data-read-only");

  // What Optuna alone would change, and tuner's tables would then contradict; without --allow-writes everything.
  const LABELS = ["rename study", "skip trial", "delete artifact", ...(readOnly ? ["delete study"] : [])];
  const TEXTS = ["Create", "Upload", "Fail Trial", ...(readOnly ? ["Edit", "Save"] : [])];
  const PENCIL = '[data-testid="EditIcon"]';
  const isRefused = (button) => (readOnly && button.querySelector(PENCIL) !== null) || LABELS.includes(button.getAttribute("aria-label")) || TEXTS.includes(button.textContent.trim());
  const hideRefused = () => {
    for (const button of document.querySelectorAll("#dashboard button, .MuiDialog-root button")) {
      // Its own style wins over that of a class.
      if (isRefused(button)) button.style.setProperty("display", "none", "important");
    }
  };

  const style = document.createElement("style");
  style.textContent = `
    .tuner { position: fixed; right: 1rem; bottom: 1rem; z-index: 2000; display: flex; gap: .25rem 1rem; flex-wrap: wrap; max-width: 30rem;
      background: #14171b; color: #fff; border-radius: 6px; padding: .5rem 1rem; font: 14px/1.5 system-ui, sans-serif; }
    .tuner a { color: #9fd3f5; }
    .tuner p { margin: 0; flex-basis: 100%; }
    .tuner p:empty { display: none; }`;
  const bar = document.createElement("nav");
  bar.className = "tuner";
  bar.setAttribute("aria-label", "tuner");
  const link = (text, href) => Object.assign(document.createElement("a"), { textContent: text, href });
  const report = link("Report of this study", "/");
  const reason = document.createElement("p");
  reason.setAttribute("role", "alert");
  bar.append(reason, link("Studies", "/"), link("Fleet", "/fleet"), report);

  const follow = () => {
    const study = /^\/dashboard\/studies\/(\d+)/.exec(location.pathname)?.[1];
    report.hidden = study === undefined;
    if (study !== undefined) report.href = `/dashboard-report/${study}`;
    hideRefused();
  };

  // Optuna Dashboard says that a write has failed, and not why.
  const send = XMLHttpRequest.prototype.send;
  XMLHttpRequest.prototype.send = function (...body) {
    this.addEventListener("load", () => {
      if (this.status !== 403 && this.status !== 409) return;
      try {
        reason.textContent = JSON.parse(this.responseText).reason ?? "";
      } catch {
        reason.textContent = "This request was refused.";
      }
    });
    return send.apply(this, body);
  };

  addEventListener("DOMContentLoaded", () => {
    document.head.append(style);
    document.body.append(bar);
    follow();
    new MutationObserver(follow).observe(document.getElementById("dashboard") ?? document.body, { childList: true, subtree: true });
  });
})();
