"""Every call of AWS's that the package can make, read from its source; as a table for readers."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import botocore.session
from botocore import xform_name

from dgsm_helpers.rules.call_effects import BILLS, Effect, effect_of
from kit.imports import called_name

ROOT = Path(__file__).resolve().parents[2]
CLIENTS_WITHOUT_BOTO = {("sagemaker-runtime", "InvokeEndpointWithBidirectionalStream")}
"""Sent over HTTP/2 by clients of their own."""


NAMED_ONLY = {
    "AssumeRole": "in trust policies",
    "CreateServiceLinkedRole": "in policies of others",
    "CreateSchedule": "as what a recipe is checked against",
    "TagResource": "in AWS's words of a refusal",
}
"""Operations that the source names and does not call, with where."""


def _operations(sources: Mapping[Path, Sequence[ast.AST]]) -> dict[str, str]:
    """Service by operation, of the services that the source makes clients of."""
    session, found = botocore.session.get_session(), {}
    for service in sorted(_services(sources)):
        for operation in session.get_service_model(service).operation_names:
            for name in (operation, xform_name(operation)):
                found.setdefault(name, service)
    return {name: service for name, service in found.items() if name not in NAMED_ONLY}


def _services(sources: Mapping[Path, Sequence[ast.AST]]) -> set[str]:
    """What is given as a service to whatever calls AWS, or is called SERVICE."""
    found = set()
    for nodes in sources.values():
        for node in nodes:
            if isinstance(node, ast.Call) and called_name(node) in ("call", "call_or_none", "call_tagged", "pages"):
                found |= {arg.value for arg in node.args[1:2] if isinstance(arg, ast.Constant)}
            elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "SERVICE":
                found.add(ast.literal_eval(node.value))
    return found | {"sagemaker-runtime"}


def _sources() -> dict[Path, Sequence[ast.AST]]:
    return {p: [*ast.walk(ast.parse(p.read_text(encoding="utf-8")))] for p in (ROOT / "dgsm_helpers").rglob("*.py")}


def _words(nodes: Sequence[ast.AST]) -> Iterator[str]:
    """Every text in a source, as it stands or as an f-string makes it of the kinds of resources; names of methods."""
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.JoinedStr):
            verb, *rest = [str(part.value) for part in node.values if isinstance(part, ast.Constant)] or [""]
            yield from (f"{verb}{kind}{''.join(rest)}" for kind in ("Model", "EndpointConfig", "Endpoint"))


@cache
def calls() -> frozenset[tuple[str, str]]:
    """Service and operation of each."""
    sources, found = _sources(), set()
    operations = _operations(sources)
    full = {xform_name(name): name for name in operations if name[0].isupper()}
    for path, nodes in sources.items():
        room = path.relative_to(ROOT / "dgsm_helpers").as_posix()
        if room.startswith(("aws/", "load/", "views/", "planning/")) and "/export/" not in path.as_posix():
            for word in _words(nodes):
                if word in operations and (word[0].isupper() or room == "aws/endpoint/invoke.py"):
                    found.add((operations[word], full.get(word, word)))
    return frozenset(found | CLIENTS_WITHOUT_BOTO)


def table() -> str:
    """The table, in Markdown."""
    gates = {
        Effect.READS: "none",
        Effect.CHANGES: "that of the command it is part of",
        Effect.BILLS: "`confirm_spend=True`, `--confirm-spend`",
        Effect.DELETES: "`confirm_delete=True`, `--yes`; what a command makes again, or made itself: `confirm_spend`",
    }
    lines = [
        "## What is called on AWS, and what it does there",
        "",
        "Made from the source and held to it by a test. On your account nothing but reading "
        "happens without the agreement named; it is asked for before a command's first change. Before the first change "
        "you are told whose account it is.",
    ]
    for effect in (Effect.BILLS, Effect.DELETES, Effect.CHANGES, Effect.READS):
        lines += ["", f"### {str(effect).capitalize()}", "", f"Agreement: {gates[effect]}.", ""]
        how = " how |" if effect is Effect.BILLS else ""
        lines += [f"| service | operation |{how}", f"|---|---|{'---|' * bool(how)}"]
        for service, operation in sorted(calls()):
            if effect_of(operation) is effect:
                lines.append(f"| {service} | {operation} |" + (f" {BILLS[operation]} |" if how else ""))
    return "\n".join(lines) + "\n"
