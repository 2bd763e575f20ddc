"""Write docs/guides/commands.md: every verb of ``dgsm`` with its options, from the command's own help."""

from __future__ import annotations

import re
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path

import click

from dgsm_helpers.cli.main import dgsm

PAGE = Path(__file__).resolve().parent / "guides" / "commands.md"
HEAD = """# The dgsm command

Made by `docs/command_pages.py` from the command's own help.

Exit codes: 0 yes, 1 a negative answer, 2 the call itself failed (it says nothing about the question), 3 needs
confirmation. Answers go to the output, what happens meanwhile to the error output; `--json` prints one object.
`dgsm --help` says how to switch on completion; `dgsm --debug …` shows the traceback of an error that nobody foresaw.

Where an endpoint is, is said by the same options everywhere, else by [`dgsm.toml`](settings.md):

| option | what it says |
|---|---|
"""
PLACE = ("where", "region", "profile", "variant")
ENDPOINT = re.compile(r"\s*ENDPOINT is an endpoint's name .*", re.DOTALL)
EXAMPLE = re.compile(r"Such as: (dgsm .*?)(?=\n\n|\Z)", re.DOTALL)


def verbs(command: click.Command = dgsm, path: str = "dgsm") -> Iterator[tuple[str, click.Command]]:
    """Every verb that can be run, with the words that call it, in the order of the work."""
    if not isinstance(command, click.Group):
        yield path, command
        return
    for name in command.commands:
        yield from verbs(command.commands[name], f"{path} {name}")


def page() -> str:
    """The page's text."""
    found = list(verbs())
    shared = next(command for path, command in found if path == "dgsm status")
    parts = [HEAD + "\n".join(_option_rows([o for o in shared.params if o.name in PLACE]))]
    parts += [_section(path, command) for path, command in found]
    return "\n\n".join(parts) + "\n"


def _section(path: str, command: click.Command) -> str:
    words = ENDPOINT.sub("", cleandoc(command.help or ""))
    example = EXAMPLE.search(words)
    usage = " ".join([path, *(p.make_metavar(click.Context(command)) for p in command.params if _positional(p))])
    parts = [f"## {path}", f"`{usage}`" if usage != path else "", _as_markdown(EXAMPLE.sub("", words).strip())]
    if example:
        parts.append(f"```sh\n{' '.join(example[1].split())}\n```")
    own = [o for o in command.params if isinstance(o, click.Option) and o.name not in PLACE]
    if own:
        parts.append("\n".join(["| option | what it says |", "|---|---|", *_option_rows(own)]))
    return "\n\n".join(filter(None, parts))


def _option_rows(options: list[click.Parameter]) -> list[str]:
    rows = []
    for option in options:
        assert isinstance(option, click.Option)
        value = "" if option.is_flag else f" {option.make_metavar(click.Context(dgsm))}".replace("|", " or ")
        names = "`, `".join(option.opts)
        given = isinstance(option.default, (str, int, float)) and not option.is_flag and option.default not in ("", 0)
        default = f" (default: {option.default})" if given and "default" not in (option.help or "") else ""
        rows.append(f"| `{names}{value}` | {_as_markdown((option.help or '') + default)} |".replace("<", "&lt;"))
    return rows


def _positional(parameter: click.Parameter) -> bool:
    return isinstance(parameter, click.Argument)


def _as_markdown(text: str) -> str:
    """Help as it is, with what Markdown would take for markup taken literally."""
    return re.sub(r"(?<!`)(--[a-z][\w-]*)(?!`)", r"`\1`", text.replace("|", "\\|").replace("*", "\\*"))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
