"""The LiteLLM proxy in an environment of its own, before the simulated provider: one worker, no database.

It is set up as its makers recommend for production: one uvicorn worker, `LITELLM_MODE=PRODUCTION`,
`LITELLM_LOG=ERROR`, a master key, a time limit, no verbose logs. Beside `litellm[proxy]` it is given what its own
image has and what it looks for at each call when it is missing (prisma, OpenTelemetry), and a faster HTTP parser.
It prices by the table that it brings along, and asks nobody but the provider.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
from serve_ways import Way

PACKAGES = (
    "litellm[proxy]",
    "httptools",
    "opentelemetry-api",
    "opentelemetry-exporter-otlp",
    "opentelemetry-sdk",
    "prisma",
)
SECRET = "sk-bench-of-aikit"
ENVIRON = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOG": "ERROR",
    "LITELLM_MODE": "PRODUCTION",
    "NO_DOCS": "True",
    "NO_REDOC": "True",
}
SETTINGS = f"one uvicorn worker with uvloop and httptools, no database, {', '.join(map('='.join, ENVIRON.items()))}"
READY_SECONDS = 300.0
MADE = "made.json"


class NotThere(Exception):
    """It can't be installed, or does not start. The message says why."""


def cached() -> Path:
    """Where its environment is kept if nothing else is said."""
    return Path(tempfile.gettempdir()) / "aikit-bench-litellm"


def environment(folder: Path) -> dict[str, str]:
    """The versions of what is installed in `folder`; made there unless it was made before. Raises NotThere."""
    made = folder / MADE
    if not made.is_file():
        shutil.rmtree(folder, ignore_errors=True)
        print(f"Installing {', '.join(PACKAGES)} in {folder}; this takes some minutes.", file=sys.stderr)
        _run(sys.executable, "-m", "venv", str(folder))
        _run(str(folder / "bin/pip"), "install", "--quiet", "--disable-pip-version-check", *PACKAGES)
        listed = json.loads(_run(str(folder / "bin/pip"), "list", "--format", "json"))
        made.write_text(json.dumps({one["name"]: one["version"] for one in listed}))
    versions: dict[str, str] = json.loads(made.read_text())
    return versions


def _run(*command: str) -> str:
    ran = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if ran.returncode:
        raise NotThere(f"LiteLLM can't be installed: {' '.join(command)} said:\n{ran.stderr[-2000:] or ran.stdout}")
    return ran.stdout


@contextmanager
def a_litellm_proxy(folder: Path, provider: str) -> Iterator[Way]:
    """Installed in `folder`, running, and ready to answer. Raises NotThere."""
    environment(folder)
    with tempfile.TemporaryDirectory(prefix="aikit-litellm-") as home, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        config = Path(home) / "config.yaml"
        config.write_text(json.dumps(_config(provider)))
        command = [str(folder / "bin/litellm"), "--host", "127.0.0.1", "--port", str(port), "--config", str(config)]
        log = Path(home) / "log"
        with log.open("w") as writing:
            process = subprocess.Popen(
                [*command, "--num_workers", "1"],
                stdin=subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                cwd=home,
                env={"PATH": f"{folder / 'bin'}:/usr/bin:/bin", "HOME": home, **ENVIRON},
            )
        try:
            way = Way(f"http://127.0.0.1:{port}", process.pid, SECRET)
            _wait_until_ready(way, process, log)
            yield way
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _config(provider: str) -> dict[str, object]:
    """JSON, which is YAML, too."""
    model = {"model": "openai/gpt-4o-mini", "api_base": f"{provider}/v1", "api_key": "simulated"}
    return {
        "model_list": [{"model_name": "gpt-4o-mini", "litellm_params": model}],
        "general_settings": {"master_key": SECRET},
        "litellm_settings": {"request_timeout": 600, "set_verbose": False, "json_logs": True, "telemetry": False},
    }


def _wait_until_ready(way: Way, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + READY_SECONDS
    while True:
        try:
            if httpx2.get(f"{way.url}/health/readiness", timeout=5).status_code == 200:
                return
        except httpx2.HTTPError:
            pass
        if process.poll() is not None or time.monotonic() > until:
            raise NotThere(f"LiteLLM does not start. It said:\n{log.read_text()[-2000:]}")
        time.sleep(0.5)
