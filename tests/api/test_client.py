"""The typed client of docs/http-api.md, as it stands there."""

import re
import shlex
import subprocess

from conftest import ROOT

FOLDER = ROOT / "tests/api"
ADDRESS = "http://127.0.0.1:8000"


def block(language):
    page = (ROOT / "docs/http-api.md").read_text()
    section = page.split("## For programs: OpenAPI and AsyncAPI")[1].split("\n## ")[0]
    return re.search(rf"```{language}\n(.*?)```", section, re.DOTALL)[1]


def run(folder, *command):
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_the_client_of_the_guide_is_generated_compiles_and_publishes(open_server, tmp_path):
    (tmp_path / "node_modules").symlink_to(FOLDER / "node_modules")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    generate = block("sh").splitlines()[-1].replace(ADDRESS, open_server)
    assert generate.startswith("npx openapi-typescript ")
    run(tmp_path, *shlex.split(generate))
    program = block("ts")
    assert ADDRESS in program
    (tmp_path / "publish.ts").write_text(program.replace(ADDRESS, open_server))
    options = ["--strict", "--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler"]
    run(tmp_path, "node_modules/.bin/tsc", *options, "publish.ts")
    assert re.fullmatch(r"news \d+-\d+\n", run(tmp_path, "node", "publish.js"))
