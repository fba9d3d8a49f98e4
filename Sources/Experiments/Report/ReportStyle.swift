// SPDX-License-Identifier: GPL-3.0-or-later

/// How the page looks, and what it does by itself: tables are sorted by a click, and while a run goes on the page loads
/// itself again, with its place, the order of its tables and what is unfolded as they were.
enum ReportStyle {
  static let css = """
    :root { color-scheme: light dark; --ink: #1a1a1a; --paper: #ffffff; --line: #c8c8c8; --soft: #f3f4f6;
      --link: #005a9c; --bad: #a33100; --good: #00674a; }
    @media (prefers-color-scheme: dark) { :root { --ink: #e8e8e8; --paper: #16181c; --line: #45484f; --soft: #22252b;
      --link: #7cc4ff; --bad: #ff9d6e; --good: #5fd6b0; } }
    * { box-sizing: border-box; }
    body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0 auto;
      padding: 1rem; max-width: 75rem; overflow-wrap: break-word; }
    h1 { font-size: 1.6rem; margin: 0.5rem 0; } h2 { font-size: 1.25rem; border-bottom: 1px solid var(--line);
      margin: 2.2rem 0 0.6rem; } h3 { font-size: 1.05rem; margin: 1.2rem 0 0.4rem; }
    a { color: var(--link); } nav ul { columns: 18rem; padding-left: 1.2rem; }
    .scroll { overflow-x: auto; max-width: 100%; margin: 0.6rem 0; }
    table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.87rem; }
    caption { text-align: left; font-weight: 600; padding: 0.2rem 0; }
    caption span { position: sticky; left: 0; display: inline-block; max-width: min(100%, calc(100vw - 2.5rem)); }
    th, td { border-bottom: 1px solid var(--line); padding: 0.2rem 0.6rem; text-align: left; white-space: nowrap;
      vertical-align: top; max-width: 34rem; overflow: hidden; text-overflow: ellipsis; }
    td.number, th.number button { text-align: right; } td.best { font-weight: 700; }
    th { padding: 0; background: var(--soft); } th button { font: inherit; font-weight: 600; color: inherit;
      background: none; border: 0; padding: 0.3rem 0.6rem; cursor: pointer; width: 100%; text-align: left; }
    th[aria-sort=ascending] button::after { content: " ▲"; } th[aria-sort=descending] button::after { content: " ▼"; }
    .state { font-weight: 600; } .running { color: var(--link); } .failed, .stopped, .problems, .failures
      { color: var(--bad); } .finished { color: var(--good); }
    .pictures, .plots { display: flex; flex-wrap: wrap; gap: 0.8rem; } figure { margin: 0.4rem 0; max-width: 100%; }
    figcaption { font-size: 0.85rem; } img { max-width: 100%; height: auto; background: #fff; padding: 4px;
      border: 1px solid var(--line); border-radius: 4px; }
    .pictures figure { flex: 0 1 30rem; } pre { background: var(--soft); padding: 0.6rem; overflow-x: auto;
      font-size: 0.82rem; white-space: pre-wrap; } dl { display: grid; grid-template-columns: max-content minmax(0, 1fr);
      gap: 0.1rem 1rem; font-size: 0.87rem; } dt { font-weight: 600; } dd { margin: 0; }
    summary { cursor: pointer; } footer { margin-top: 2rem; font-size: 0.85rem; }
    @page { size: A4 landscape; margin: 12mm; }
    @media print { body { max-width: none; font-size: 10pt; color: #000; background: #fff; } nav, .live { display: none; }
      h2, h3 { break-after: avoid; } figure, tr { break-inside: avoid; } .scroll { overflow: visible; }
      table { font-size: 7.5pt; } th button { padding: 0.2rem 0.3rem; }
      th, td { white-space: normal; max-width: none; padding: 0.1rem 0.3rem; } th { background: none; } a { color: inherit; text-decoration: none; } }
    """

  static let script = """
    "use strict";
    (function () {
      var memory = {};
      try { memory = JSON.parse(sessionStorage.getItem("score-sde-report") || "{}") || {}; } catch (e) { memory = {}; }
      memory.sort = memory.sort || {}; memory.open = memory.open || {};
      function keep() {
        memory.y = window.scrollY;
        try { sessionStorage.setItem("score-sde-report", JSON.stringify(memory)); } catch (e) { }
      }
      function key(row, column) {
        var cell = row.cells[column];
        if (!cell) return null;
        if (cell.dataset.value !== undefined) return Number(cell.dataset.value);
        return cell.textContent.trim();
      }
      function compare(a, b) {
        var x = a === null || a === "" || Number.isNaN(a), y = b === null || b === "" || Number.isNaN(b);
        if (x || y) return x && y ? 0 : x ? 2 : -2;
        if (typeof a === "number" && typeof b === "number") return a < b ? -1 : a > b ? 1 : 0;
        if (typeof a === "number") return -1;
        if (typeof b === "number") return 1;
        return a.localeCompare(b, undefined, { numeric: true });
      }
      function sort(table, column, direction) {
        var body = table.tBodies[0], rows = Array.prototype.slice.call(body.rows);
        var sorted = rows.map(function (row, index) { return { row: row, key: key(row, column), index: index }; });
        sorted.sort(function (a, b) {
          var order = compare(a.key, b.key);
          if (Math.abs(order) === 2) return order;
          return order * direction || a.index - b.index;
        });
        sorted.forEach(function (item) { body.appendChild(item.row); });
        Array.prototype.forEach.call(table.tHead.rows[0].cells, function (cell, index) {
          if (index === column) cell.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
          else cell.removeAttribute("aria-sort");
        });
      }
      Array.prototype.forEach.call(document.querySelectorAll("table"), function (table) {
        Array.prototype.forEach.call(table.tHead.rows[0].cells, function (cell, column) {
          cell.querySelector("button").addEventListener("click", function () {
            var direction = cell.getAttribute("aria-sort") === "ascending" ? -1 : 1;
            memory.sort[table.id] = [column, direction];
            sort(table, column, direction);
            keep();
          });
        });
        var before = memory.sort[table.id];
        if (before && before[0] < table.tHead.rows[0].cells.length) sort(table, before[0], before[1]);
      });
      var folds = document.querySelectorAll("details");
      Array.prototype.forEach.call(folds, function (fold) {
        if (memory.open[fold.id] !== undefined) fold.open = memory.open[fold.id];
        fold.addEventListener("toggle", function () { memory.open[fold.id] = fold.open; keep(); });
      });
      window.addEventListener("beforeprint", function () {
        Array.prototype.forEach.call(folds, function (fold) { if (!/-config$/.test(fold.id)) fold.open = true; });
      });
      if (memory.y && !location.hash) window.scrollTo(0, memory.y);
      window.addEventListener("pagehide", keep);
      var live = document.getElementById("live");
      if (live) {
        var button = document.getElementById("pause"), isPaused = memory.paused === true;
        var say = function () { button.textContent = isPaused ? "go on" : "pause"; };
        button.addEventListener("click", function () { isPaused = !isPaused; memory.paused = isPaused; say(); keep(); });
        say();
        setInterval(function () {
          if (!isPaused && !document.hidden) { keep(); location.reload(); }
        }, Number(live.dataset.seconds) * 1000);
      }
    })();
    """
}
