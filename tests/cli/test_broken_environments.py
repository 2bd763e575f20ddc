"""Whatever is wrong in a user's shell, AWS configuration or state folder: a line and the exit code of a failed call."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import chdir
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import pytest
from click.testing import CliRunner, Result
from kit.broken_environments import CONFIGURATION, KEYS, KEYS_BROKEN, Broken, everything_at_once

from dgsm_helpers import local
from dgsm_helpers.cli.main import UNFORESEEN, dgsm
from dgsm_helpers.cli.options import FAILED, NO, YES

pytestmark = pytest.mark.usefixtures("stands_for_aws")

ARGUMENTS = {
    ("run",): ("no-such-notebook.ipynb",),
    ("plan",): ("--traffic", "constant", "--knee", "5", "--hours", "1"),
    ("iam",): ("01_deploy",),
    ("size",): ("--calls-per-hour", "60", "--knee", "10"),
    ("watch",): ("--once",),
    # On the embedded AWS: refused before anything is changed, so that it answers the same a second time.
    ("deploy",): ("--listing", "no-such-listing"),
    ("tune",): ("--listing", "no-such-listing"),
    ("pause",): ("never-made",),
    ("resume",): ("never-made",),
    ("report",): ("--out", "report.html"),
    ("update",): ("--instance-type", "ml.g6.2xlarge"),
}
"""What a verb needs to be run at all, and to end soon."""

LONG = {("demo",), ("show",), ("local", "up"), ("local", "down")}
"""They start and stop servers; `test_an_embedded_aws_starts_in_a_broken_environment` does."""


def verbs(group: click.Group = dgsm, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every verb of the command with its words."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from verbs(command, (*words, name))
        elif (*words, name) not in LONG:
            yield (*words, name), command


def line_of(words: tuple[str, ...], command: click.Command) -> tuple[str, ...]:
    """A line that the verb can be run with; a verb that is not known here gets something for what it requires."""
    if words in ARGUMENTS:
        return (*words, *ARGUMENTS[words])
    needed: list[str] = []
    for parameter in command.params:
        if parameter.required:
            value = next(iter(getattr(parameter.type, "choices", ())), "x")
            needed += [value] if isinstance(parameter, click.Argument) else [parameter.opts[0], value]
    return (*words, *needed)


LINES = {" ".join(words): line_of(words, command) for words, command in verbs()}
ON_AN_ACCOUNT = [
    " ".join(words)
    for words, command in verbs()
    if any(p.name == "where" for p in command.params) and words != ("run",)
]


def run(home: Path, env: dict[str, str], *words: str) -> Result:
    """The line, with ``home`` as ``$DGSM_HOME`` and what it writes in a folder that goes."""
    runner = CliRunner(env={"DGSM_HOME": str(home), **env})
    with TemporaryDirectory() as folder, chdir(folder):
        return runner.invoke(dgsm, words, prog_name="dgsm")


def require_a_failed_call(answer: Result) -> None:
    """A line on the error output, no traceback, exit code 2, and nothing about the network where it is not that."""
    assert isinstance(answer.exception, SystemExit), answer.exception
    assert answer.exit_code == FAILED, answer.output
    assert "Traceback" not in answer.stderr and UNFORESEEN not in answer.stderr
    assert "Check the network" not in answer.stderr and "hush" not in answer.stderr
    assert len(answer.stderr.strip().splitlines()) == 1


def on_account(broken: Broken, tmp_path: Path, *line: str) -> Result:
    """The line on the user's account, in the broken environment."""
    asked = ("--profile", broken.asked) if broken.asked else ()
    return run(tmp_path, broken.variables(tmp_path), *line, "--where", "aws", *asked)


@pytest.mark.parametrize("name", [*CONFIGURATION, *KEYS_BROKEN])
def test_case_of_a_broken_aws_environment_is_named_with_its_place(name, tmp_path):
    broken = {**CONFIGURATION, **KEYS_BROKEN}[name]
    answer = on_account(broken, tmp_path, "doctor", "e")
    require_a_failed_call(answer)
    for text in broken.says:
        assert text.format(folder=tmp_path) in answer.stderr


@pytest.mark.parametrize("name", ["missing-profile", "no-ini", "endpoint-without-scheme", "proxy-with-bad-port"])
@pytest.mark.parametrize("verb", ON_AN_ACCOUNT)
def test_every_verb_fails_in_words_where_the_aws_configuration_is_broken(verb, name, tmp_path):
    require_a_failed_call(on_account(CONFIGURATION[name], tmp_path, *LINES[verb]))


@pytest.mark.parametrize(
    "name", ["none", "process-prints-words", "login-never-done", "sso-never-signed-in", "missing-bundle"]
)
@pytest.mark.parametrize("verb", ON_AN_ACCOUNT)
def test_every_verb_fails_in_words_where_keys_are_broken(verb, name, tmp_path):
    answer = on_account(KEYS_BROKEN[name], tmp_path, *LINES[verb])
    if verb == "preflight":
        assert answer.exit_code == NO, "whether there are keys is what it is asked"
    elif answer.exit_code:
        require_a_failed_call(answer)
    else:
        assert verb in ("plan", "iam"), "it needs no call"


def test_a_listing_that_aws_cannot_be_asked_about_is_no_listing_that_is_not_there(tmp_path):
    arn = "arn:aws:sagemaker:us-east-1:123456789012:model-package/deepgram/1"
    require_a_failed_call(on_account(KEYS_BROKEN["missing-bundle"], tmp_path, "listing", arn))


def test_a_failed_connection_is_still_said_to_be_one(tmp_path):
    fine = Broken(says=())
    answer = on_account(fine, tmp_path, "doctor", "e")
    assert (answer.exit_code, "Check the network" in answer.stderr) == (FAILED, True)


def test_a_process_for_keys_that_does_not_end_is_given_up_and_named(tmp_path, monkeypatch):
    monkeypatch.setattr("dgsm_helpers.places.clients._PROCESS_S", 0.2)
    hanging = Broken(says=(), profile="credential_process = sleep 5\n")
    answer = on_account(hanging, tmp_path, "doctor", "e")
    require_a_failed_call(answer)
    assert "did not end within 0.2 s" in answer.stderr and "Run the credential_process" in answer.stderr


@pytest.mark.filterwarnings("ignore:Can not control echo:getpass.GetPassWarning")
def test_a_role_that_asks_for_a_code_without_a_terminal_says_how_to_take_keys_along(tmp_path):
    role = "role_arn = arn:aws:iam::111122223333:role/x\nsource_profile = base\n"
    code = "mfa_serial = arn:aws:iam::111122223333:mfa/me\n"
    answer = on_account(Broken(says=(), profile=f"{role}{code}[profile base]\n{KEYS}"), tmp_path, "doctor", "e")
    assert answer.exit_code == FAILED and "Traceback" not in answer.stderr
    assert "mfa/me" in answer.stderr and "aws configure export-credentials --profile work" in answer.stderr


def test_a_proxy_that_is_not_there_is_named_as_what_to_correct(tmp_path):
    broken = Broken(says=(), env={"HTTPS_PROXY": "http://127.0.0.1:1", "AWS_ENDPOINT_URL": "https://192.0.2.1"})
    answer = on_account(broken, tmp_path, "doctor", "e")
    assert answer.exit_code == FAILED
    assert "Correct HTTPS_PROXY" in answer.stderr and "Check the network" not in answer.stderr


def test_a_role_that_cannot_be_asked_for_is_a_failed_connection_too(tmp_path):
    role = "role_arn = arn:aws:iam::111122223333:role/x\nsource_profile = base\n"
    broken = Broken(says=(), profile=f"{role}[profile base]\n{KEYS}", env={"AWS_MAX_ATTEMPTS": "1"})
    answer = on_account(broken, tmp_path, "doctor", "e")
    assert answer.exit_code == FAILED
    assert "gives out the keys of profile 'work'" in answer.stderr and "Check the network" in answer.stderr


def test_an_environment_without_the_right_authority_is_told_which_setting_it_is(embedded, tmp_path):
    broken = Broken(says=(), env={"AWS_ENDPOINT_URL": embedded.info.runtime_url})
    answer = on_account(broken, tmp_path, "doctor", "e")
    require_a_failed_call(answer)
    assert "certificate verify failed" in answer.stderr and "AWS_CA_BUNDLE" in answer.stderr


class Page(BaseHTTPRequestHandler):
    """Answers everything with a page, as a sign-in portal does."""

    def do_POST(self) -> None:
        """One page."""
        body = b"<html>Please sign in</html>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def portal() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("verb", ["doctor", "clean-up", "export", "report", "update", "watch"])
def test_an_environment_in_which_a_page_answers_for_aws_is_told_so(verb, portal, tmp_path):
    broken = Broken(says=(), env={"AWS_ENDPOINT_URL": portal})
    answer = on_account(broken, tmp_path, *LINES[verb])
    require_a_failed_call(answer)
    assert "not AWS" in answer.stderr and "AWS_ENDPOINT_URL" in answer.stderr


# -- on the embedded AWS nothing of it counts


@pytest.mark.parametrize("verb", sorted(LINES.keys() - {"record"}))
def test_no_verb_minds_a_broken_environment_on_the_embedded_aws(verb, embedded, tmp_path):
    clean = run(embedded.home, {"HOME": str(tmp_path)}, *LINES[verb])
    answer = run(embedded.home, everything_at_once(tmp_path), *LINES[verb])
    assert isinstance(answer.exception, SystemExit | None), answer.exception
    assert answer.exit_code == clean.exit_code
    # Of the time of day, and of how long something took, the two may say different things.
    assert re.sub(r"\d+", "#", answer.stderr) == re.sub(r"\d+", "#", clean.stderr)
    assert UNFORESEEN not in answer.stderr


@pytest.mark.slow
def test_recording_the_embedded_aws_does_not_mind_a_broken_environment(embedded, tmp_path):
    answer = run(embedded.home, everything_at_once(tmp_path), *LINES["record"])
    assert answer.exit_code in {YES, NO} and "start (about" in answer.stderr
    assert UNFORESEEN not in answer.stderr


def test_an_embedded_aws_starts_in_a_broken_environment(tmp_path):
    env, home = everything_at_once(tmp_path), tmp_path / "home"
    try:
        assert run(home, env, "local", "up").exit_code == YES
        assert run(home, env, "doctor", "never-made").stderr.startswith("dgsm: There is no endpoint")
    finally:
        assert run(home, env, "local", "down").exit_code == YES


# -- the state folder and what prints


@pytest.mark.parametrize(
    "home",
    ["{folder}/file", "/proc/nothing", "~nobody-of-that-name/x", "{folder}/file/below"],
    ids=lambda text: text[-8:],
)
@pytest.mark.parametrize("verb", ["local status", "local up", "local down", "doctor", "plan"])
def test_a_state_folder_that_cannot_be_is_an_environment_told_in_words(verb, home, tmp_path):
    (tmp_path / "file").write_text("no folder")
    answer = run(Path(home.format(folder=tmp_path)), {}, *LINES.get(verb, tuple(verb.split())))
    assert isinstance(answer.exception, SystemExit | None), answer.exception
    assert answer.exit_code in (FAILED, NO if verb == "local status" else FAILED)
    assert UNFORESEEN not in answer.stderr


class Banner(BaseHTTPRequestHandler):
    """Speaks no HTTP."""

    def handle(self) -> None:
        """One line, as an SSH server sends it."""
        self.request.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")


class JsonList(Page):
    """Answers with another service's JSON."""

    def do_GET(self) -> None:
        """A list."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"[1]")


@pytest.mark.parametrize("handler", [Page, Banner, JsonList], ids=lambda h: h.__name__)
@pytest.mark.parametrize("verb", ["status", "env", "down"])
def test_a_port_that_belongs_to_something_else_by_now_is_no_foreign_servers_traceback(
    verb, handler, embedded, tmp_path
):
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        state = json.loads((local.state_folder(embedded.home) / "server.json").read_text())
        folder = local.state_folder(tmp_path)
        folder.mkdir()
        stale = {**state, "pid": 2**22, "control_url": f"http://127.0.0.1:{server.server_port}"}
        (folder / "server.json").write_text(json.dumps(stale))
        answer = run(tmp_path, {}, "local", verb)
        server.shutdown()
    assert isinstance(answer.exception, SystemExit | None), answer.exception
    assert (answer.exit_code, "not running" in answer.output) == (YES if verb == "down" else NO, True)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"null", b"\xff", b'{"schema_version": 1}', b'{"schema_version": [1]}']
)
def test_a_damaged_file_of_the_server_is_no_server(content, tmp_path):
    folder = local.state_folder(tmp_path)
    folder.mkdir()
    (folder / "server.json").write_bytes(content)
    assert run(tmp_path, {}, "local", "status").exit_code == NO


def in_shell(script: str, home: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """The script in bash, with ``dgsm`` in it, as a user's shell runs it."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    clean = {n: v for n, v in os.environ.items() if not n.startswith(("LC_", "LANG", "PYTHON"))}
    return subprocess.run(
        ["bash", "-c", script],
        env={**clean, "PATH": path, "DGSM_HOME": str(home), **env},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.mark.parametrize("where", [">/dev/full", ">&-"])
def test_an_output_that_takes_nothing_is_no_negative_answer(where, embedded):
    done = in_shell(f"dgsm local status {where}", embedded.home)
    assert "Traceback" not in done.stderr
    assert done.returncode in (YES, FAILED)


def test_an_old_locale_shows_what_it_can(embedded):
    env = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    done = in_shell("dgsm doctor --help; dgsm doctor caf\u00e9; dgsm watch never-made --once", embedded.home, **env)
    assert "Traceback" not in done.stderr and done.returncode == FAILED


def test_a_folder_that_is_gone_is_an_environment_too(embedded, tmp_path):
    (tmp_path / "gone").mkdir()
    done = in_shell(f"cd {tmp_path}/gone && rmdir {tmp_path}/gone && dgsm report", embedded.home)
    assert "Traceback" not in done.stderr and done.returncode == FAILED
