#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API reference, and whether it is whole: `make docs-api`.

The compiler writes the symbol graphs of the modules that are built, and the toolchain's own `docc` makes pages of them
in seconds: no plug-in, no second build. A floor's README beside its code is its first page. Names of types between
backticks, in comments and in READMEs, become links.

Exit code 1 where a public symbol has no comment, or where docc warns: a link that leads nowhere, a parameter that a list
of parameters leaves out or that does not exist.
"""
import argparse
import collections
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent


def floors():
    """The modules of the library, as Package.swift lists them."""
    return re.findall(r'^ +floor\(\s*"(\w+)"', (ROOT / "Package.swift").read_text(), re.MULTILINE)


def extract(modules, build, folder):
    """Writes the symbol graph of every module, of which other modules' types may have some more."""
    products = build / "release"
    packages = re.findall(r'pkgConfig: "([\w.+-]+)"', (ROOT / "Package.swift").read_text())
    flags = subprocess.run(["pkg-config", "--cflags", *packages], capture_output=True, text=True).stdout.split()
    maps = [
        *ROOT.glob("Sources/*/module.modulemap"),
        *products.glob("*.build/module.modulemap"),
        *build.glob("checkouts/*/Sources/*/include/module.modulemap"),
    ]
    options = [f"-fmodule-map-file={path}" for path in sorted(maps)] + flags
    triple = products.resolve().parent.name
    for module in modules:
        if not (products / "Modules" / f"{module}.swiftmodule").exists():
            sys.exit(f"{module} is not built in {build}; `make docs-api` builds it")
        command = ["swift", "symbolgraph-extract", "-module-name", module, "-I", str(products / "Modules")]
        command += [argument for option in options for argument in ("-Xcc", option)]
        command += ["-target", triple, "-minimum-access-level", "public", "-skip-synthesized-members"]
        result = subprocess.run([*command, "-output-dir", str(folder)], capture_output=True, text=True, cwd=ROOT)
        if result.returncode != 0:
            sys.exit(f"no symbol graph of {module}: {result.stderr.strip()}")


def place(symbol):
    """Where a symbol is declared, as file:line from the root."""
    location = symbol.get("location")
    if location is None:
        return "?"
    path = location["uri"].removeprefix("file://")
    # The program may have been built in another folder.
    path = "Sources/" + path.split("/Sources/")[-1] if "/Sources/" in path else path
    return f"{path}:{location['position']['line'] + 1}"


def undocumented(graphs):
    """A line for each public symbol without a comment of its own or of the requirement that it meets."""
    for graph in graphs.values():
        for symbol in graph["symbols"]:
            lines = symbol.get("docComment", {}).get("lines", [])
            if not any(line["text"].strip() for line in lines):
                kind, name = symbol["kind"]["displayName"].lower(), ".".join(symbol["pathComponents"])
                yield f"{place(symbol)}: the {kind} {name} has no doc comment"


class Links:
    """Turns the names of types between backticks into links, where one type alone has the name."""

    def __init__(self, graphs):
        found = collections.defaultdict(set)
        for graph in graphs.values():
            module = graph["module"]["name"]
            for symbol in graph["symbols"]:
                if symbol["kind"]["identifier"] in ("swift.struct", "swift.class", "swift.enum", "swift.protocol"):
                    found[".".join(symbol["pathComponents"])].add("/".join(["", module, *symbol["pathComponents"]]))
        self.paths = {name: next(iter(paths)) for name, paths in found.items() if len(paths) == 1}

    def insert(self, text):
        """The text with links; blocks of code, which are indented by four, stay."""
        if text.startswith("    "):
            return text
        return re.sub(
            r"(?<!`)`([A-Z][\w.]*)`(?!`)",
            lambda match: f"``{self.paths[match[1]]}``" if match[1] in self.paths else match[0],
            text,
        )

    def insert_all(self, text):
        return "\n".join(self.insert(line) for line in text.split("\n"))


def catalog(modules, links, folder):
    """The pages beside the symbols: that of ScoreSDE, and every floor's README as the floor's page."""
    pages = folder / "ScoreSDE.docc"
    shutil.copytree(ROOT / "Sources/ScoreSDE/ScoreSDE.docc", pages)
    for page in pages.glob("*.md"):
        page.write_text(links.insert_all(page.read_text()))
    for module in modules:
        readme = ROOT / "Sources" / module / "README.md"
        if not readme.exists():
            continue
        title, _, text = readme.read_text().partition("\n")
        assert title == f"# {module}", f"{readme}: begins with '{title}', not with '# {module}'"
        (pages / f"{module}.md").write_text(f"# ``{module}``\n{links.insert_all(text)}")
    return pages


def convert(pages, graphs, output):
    """Runs docc, and returns its warnings, a line each."""
    command = ["docc", "convert", str(pages), "--additional-symbol-graph-dir", str(graphs)]
    command += ["--fallback-display-name", "ScoreSDE", "--fallback-bundle-identifier", "org.score-sde.ScoreSDE"]
    command += ["--fallback-default-module-kind", "Floor", "--output-path", str(output), "--ide-console-output"]
    result = subprocess.run(command, capture_output=True, text=True)
    warnings = []
    for line in (result.stdout + result.stderr).splitlines():
        if " warning: " in line or " error: " in line or line.startswith(("warning:", "error:")):
            line = "Sources/" + line.split("/Sources/")[-1] if "/Sources/" in line else line.replace(f"{pages}/", "")
            warnings.append(re.sub(r"(:\d+):\d+:", r"\1:", line))
    if result.returncode != 0 and not warnings:
        warnings.append(f"docc failed: {result.stderr.strip()}")
    return warnings


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / ".build", help="what SwiftPM built, for release")
    parser.add_argument("--output", type=pathlib.Path, help="the folder of the pages; default: none are kept")
    arguments = parser.parse_args()
    modules = floors()
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        symbols = folder / "symbols"
        symbols.mkdir()
        extract(modules, arguments.build, symbols)
        graphs = {path: json.loads(path.read_text()) for path in sorted(symbols.glob("*.json"))}
        findings = list(undocumented(graphs))
        links = Links(graphs)
        for path, graph in graphs.items():
            for symbol in graph["symbols"]:
                for line in symbol.get("docComment", {}).get("lines", []):
                    line["text"] = links.insert(line["text"])
            path.write_text(json.dumps(graph))
        output = arguments.output or folder / "API"
        findings += convert(catalog(modules, links, folder), symbols, output)
    count = sum(len(graph["symbols"]) for graph in graphs.values())
    for finding in findings:
        print(finding, file=sys.stderr)
    if findings:
        sys.exit(f"{len(findings)} findings in {count} public symbols of {len(modules)} floors")
    print(f"{count} public symbols of {len(modules)} floors are documented, and every link leads somewhere")
    if arguments.output:
        print(f"{arguments.output}: python3 -m http.server -d {arguments.output} 8000, then")
        print("http://localhost:8000/documentation/scoresde")


if __name__ == "__main__":
    main()
