# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens the report of two small runs in a headless Chromium (`make pages-check`) and looks at it as a person would.

- Nothing is asked for from elsewhere, no script fails, and every picture is there.
- A click on a column's name sorts its table, by numbers where there are numbers, and the order is kept when the page
  loads itself again.
- Nothing is wider than the window, from 400 pixels on, and no text is cut or lies over another.
- While a run goes on the page loads itself again; afterwards it does not.

Screenshots go to --keep FOLDER, to be looked at. Exit code 1 where something is wrong.
"""
import argparse
import fcntl
import html
import json
import os
import pathlib
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time

CONFIG = """
name: {name}
seed: 3
data: {data}
process: {{kind: vp}}
score: {{kind: network, network: {{kind: mlp, hidden: [16, 16], features: 8}}}}
training: {{steps: 100, batch: 64}}
sampling:
  count: 300
  field: [0.1, 0.5]
  trajectories: {{first: 5}}
  solvers:
    - {{name: em-with-a-long-name-that-goes-on-and-on, kind: euler-maruyama, steps: 10}}
    - {{name: em-20, kind: euler-maruyama, steps: 20}}
    - {{name: em-100, kind: euler-maruyama, steps: 100}}
"""

# What is asked of the page, written into it as a script. It answers by an element's text.
PROBE = """
<script>
window.addEventListener("load", function () {
  var answer = { errors: window.__errors };
  answer.images = Array.prototype.map.call(document.images, function (i) {
    return { alt: i.alt, loaded: i.complete && i.naturalWidth > 0 };
  });
  document.querySelectorAll("details").forEach(function (d) { d.open = true; });
  answer.wide = document.documentElement.scrollWidth - window.innerWidth;
  function inside(box) { return box.width > 0 && box.height > 0; }
  // Texts of blocks that stand one beneath the other must not share a place.
  var blocks = Array.prototype.slice.call(document.querySelectorAll("h1,h2,h3,p,table,figure,summary,pre,dl"));
  answer.overlaps = [];
  for (var i = 0; i < blocks.length; i++) for (var j = i + 1; j < blocks.length; j++) {
    if (blocks[i].contains(blocks[j]) || blocks[j].contains(blocks[i])) continue;
    var a = blocks[i].getBoundingClientRect(), b = blocks[j].getBoundingClientRect();
    if (!inside(a) || !inside(b)) continue;
    if (blocks[i].closest(".scroll") || blocks[j].closest(".scroll")) continue;
    if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1)
      answer.overlaps.push([blocks[i].textContent.slice(0, 60), blocks[j].textContent.slice(0, 60)]);
  }
  answer.cut = [];
  document.querySelectorAll("th, td, h1, h2, h3, p, li, dd, dt, figcaption, summary, pre").forEach(function (e) {
    if (e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0 && getComputedStyle(e).display !== "inline")
      answer.cut.push(e.textContent.slice(0, 60));
  });
  function column(table, n) {
    return Array.prototype.map.call(table.tBodies[0].rows, function (r) { return r.cells[n].textContent; });
  }
  answer.tables = [];
  document.querySelectorAll("table").forEach(function (table) {
    Array.prototype.forEach.call(table.tHead.rows[0].cells, function (cell, n) {
      var button = cell.querySelector("button");
      button.click();
      var up = column(table, n);
      var says = cell.getAttribute("aria-sort");
      button.click();
      answer.tables.push({ id: table.id, name: button.textContent, up: up, down: column(table, n), says: says });
    });
  });
  answer.kept = sessionStorage.getItem("score-sde-report");
  answer.live = document.getElementById("live") !== null;
  var pre = document.createElement("pre");
  pre.id = "answer";
  pre.textContent = JSON.stringify(answer);
  document.body.appendChild(pre);
});
</script>
"""
CATCH = ('<script>window.__errors = []; window.addEventListener("error", function (e) {'
         ' window.__errors.push(String(e.message)); }); document.addEventListener("securitypolicyviolation",'
         ' function (e) { window.__errors.push("asks for " + e.blockedURI); });</script>')


FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
    "--disable-background-networking"]


def program():
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    return found or sys.exit("pages.py: no Chromium; `make pages-check` installs it")


def chromium(*arguments):
    with tempfile.TemporaryDirectory() as profile:
        return subprocess.run(
            [program(), *FLAGS, f"--user-data-dir={profile}", *arguments], capture_output=True, text=True, timeout=120)


def probed(page, folder, size="1200,900"):
    """What the page answers."""
    text = page.read_text()
    text = text.replace("<style>", CATCH + "<style>", 1).replace("</body>", PROBE + "</body>", 1)
    copy = folder / "probed.html"
    copy.write_text(text)
    result = chromium("--dump-dom", "--virtual-time-budget=3000", f"--window-size={size}", copy.as_uri())
    match = re.search(r'<pre id="answer">(.*?)</pre>', result.stdout, re.S)
    if match is None:
        sys.exit(f"pages.py: the page did not answer:\n{result.stderr[-2000:]}")
    return json.loads(html.unescape(match.group(1)))


class Browser:
    """A Chromium that is told what to do over two pipes (the DevTools protocol)."""

    def __init__(self, profile):
        to_read, self.to = os.pipe()
        self.source, from_write = os.pipe()

        def connect():
            # 3 and 4 may be pipes of ours already.
            read, write = os.dup(to_read), os.dup(from_write)
            high = [fcntl.fcntl(d, fcntl.F_DUPFD, 10) for d in (read, write)]
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self.process = subprocess.Popen(
            [program(), *FLAGS, f"--user-data-dir={profile}", "--window-size=1000,700", "--remote-debugging-pipe"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, close_fds=False, preexec_fn=connect)
        os.close(to_read)
        os.close(from_write)
        self.rest, self.number, self.session, self.requests = b"", 0, None, []

    def tell(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self.rest:
                if not select.select([self.source], [], [], 30)[0]:
                    sys.exit(f"pages.py: Chromium does not answer to {method}")
                part = os.read(self.source, 1 << 16)
                if not part:
                    sys.exit("pages.py: Chromium has ended")
                self.rest += part
            text, self.rest = self.rest.split(b"\0", 1)
            answer = json.loads(text)
            if answer.get("method") == "Network.requestWillBeSent":
                self.requests.append(answer["params"]["request"]["url"])
            if answer.get("id") == self.number:
                return answer.get("result", {})

    def open(self, address):
        target = self.tell("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.tell("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.tell("Network.enable")
        self.tell("Page.enable")
        self.tell("Page.navigate", url=address)

    def ask(self, expression):
        return self.tell("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def wait(self, expression, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.ask(expression):
                return True
            time.sleep(0.2)
        return False

    def close(self):
        self.tell("Browser.close")
        self.process.wait(20)


def live(page, folder, report):
    """A page that is open while a run goes on shows what is written later, where it was, sorted as it was."""
    problems = []
    with tempfile.TemporaryDirectory() as profile:
        browser = Browser(profile)
        browser.open(page.as_uri())
        if not browser.wait("document.readyState === 'complete' && document.getElementById('live') !== null", 20):
            return ["the page does not open"]
        browser.ask("document.querySelector('#overview th:nth-child(6) button').click()")
        browser.ask("document.querySelector('#overview th:nth-child(1) button').click()")
        browser.ask("document.querySelector('#overview th:nth-child(1) button').click()")
        browser.ask("document.querySelectorAll('details')[1].open = true; window.scrollTo(0, 700)")
        (folder / "Results" / "later").mkdir()
        (folder / "Results" / "later" / "training.csv").write_text("step,loss\n1,1\n2,0.5\n")
        report()
        if not browser.wait("document.getElementById('run-later') !== null", 15):
            problems.append("an open page does not show what is written later")
        time.sleep(0.5)
        if abs((browser.ask("window.scrollY") or 0) - 700) > 300:
            problems.append(f"the page loses its place: {browser.ask('window.scrollY')}")
        if browser.ask("document.querySelector('#overview th').getAttribute('aria-sort')") != "descending":
            problems.append("the page loses the order of a table")
        if not browser.ask("document.querySelectorAll('details')[1].open || document.querySelectorAll('details')[2].open"):
            problems.append("the page loses what is unfolded")
        others = [r for r in browser.requests if not r.startswith(("file:", "data:"))]
        if others:
            problems.append(f"asks for {others}")
        browser.close()
    shutil.rmtree(folder / "Results" / "later")
    return problems


def key(text):
    text = text.split(" [")[0].replace("\u2212", "-")
    try:
        return (0, float(text), "")
    except ValueError:
        return (1, 0.0, text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=".build/release/score-sde")
    parser.add_argument("--keep", help="where screenshots go")
    options = parser.parse_args()
    problems = []

    def check(is_right, what):
        if not is_right:
            problems.append(what)

    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        tool = os.path.abspath(options.program)
        environment = dict(os.environ, SCORE_SDE_MODELS=str(folder / "models"))
        datas = {"points": "{kind: two-moons, count: 500, held_out: 300}", "nested/images": "{kind: digits}"}
        for run, data in datas.items():
            config = CONFIG.format(name="tiny", data=data)
            if "digits" in data:
                config = config.replace("  field: [0.1, 0.5]\n", "")
            (folder / "config.yaml").write_text(config)
            subprocess.run(
                [tool, "run", "config.yaml", "--output", str(folder / "Results" / run), "--quiet"], cwd=folder,
                env=environment, check=True)

        def report():
            subprocess.run([tool, "report", "Results", "--quiet"], cwd=folder, check=True)

        report()
        page = folder / "Results" / "report.html"
        for size in ["1200,900", "500,800"]:
            answer = probed(page, folder, size)
            check(not answer["errors"], f"{size}: errors: {answer['errors']}")
            missing = [i["alt"] for i in answer["images"] if not i["loaded"] or not i["alt"]]
            check(len(answer["images"]) >= 12, f"{len(answer['images'])} pictures")
            check(not missing, f"pictures that are not there: {missing}")
            check(answer["wide"] <= 0, f"{size}: {answer['wide']} pixels wider than the window")
            check(not answer["overlaps"], f"{size}: overlap: {answer['overlaps'][:5]}")
            check(not answer["cut"], f"{size}: cut: {answer['cut'][:5]}")
        check(len(answer["tables"]) > 20, f"{len(answer['tables'])} columns")
        for table in answer["tables"]:
            up, down = ([t for t in table[k] if t] for k in ("up", "down"))
            keys = [key(t) for t in up]
            if all(k[0] == 0 for k in keys):
                check(keys == sorted(keys), f"{table['id']}, {table['name']}: not sorted: {up}")
                check([key(t) for t in down] == sorted(keys, reverse=True), f"{table['name']}: not turned: {down}")
            check(table["says"] == "ascending", f"{table['name']}: does not say its order")
        check(json.loads(answer["kept"])["sort"].get("overview") is not None, "the order is not kept")
        check(not answer["live"], "no run goes on, and the page loads itself again")
        text = page.read_text()
        check(re.search(r"(src|href)=\"(https?:|//|file:)", text) is None, "asks for something from elsewhere")

        # Somebody runs: the same lock as a run's.
        lock = folder / "Results" / "points" / ".lock"
        lock.write_text(f"{os.getpid()}\n")
        with open(lock) as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            report()
            check(probed(page, folder)["live"], "a run goes on, and the page does not load itself again")
            problems.extend(live(page, folder, report))
        lock.unlink()
        if options.keep:
            os.makedirs(options.keep, exist_ok=True)
            report()
            keep = pathlib.Path(options.keep).resolve()
            for name, size, more in [("wide", "1200,5200", []), ("narrow", "500,5000", []),
                                     ("dark", "1200,2600", ["--blink-settings=preferredColorScheme=0"])]:
                chromium(f"--screenshot={keep / name}.png", f"--window-size={size}", *more, page.as_uri())
            chromium(f"--print-to-pdf={keep / 'print'}.pdf", "--no-pdf-header-footer", page.as_uri())
            shutil.copy(page, keep / "report.html")
            for run in datas:
                shutil.copytree(folder / "Results" / run / "samples", keep / run.replace("/", "-"), dirs_exist_ok=True)
    for problem in problems:
        print(f"pages.py: {problem}", file=sys.stderr)
    if problems:
        sys.exit(1)
    print("pages.py: the report is whole: pictures, order of tables, widths, live pages")


if __name__ == "__main__":
    main()
