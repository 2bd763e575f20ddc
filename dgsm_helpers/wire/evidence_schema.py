"""A measurement's file as it is read: of any schema that was ever written, in the words of the newest."""

from types import NoneType
from typing import Any


def evidence_of(content: dict[str, Any]) -> dict[str, Any]:
    """The content of an evidence file, checked and in today's words.

    Raises:
        ValueError: something in it has not the type that it is read as; says what.
    """
    return _in_words_of_today(_checked(content))


def _in_words_of_today(content: dict[str, Any]) -> dict[str, Any]:
    """Evidence as it is written now, of whichever schema it is."""
    taken = dict(content["fingerprint"])
    if "family" in taken:
        return content
    heard = {"audio": taken.pop("audio", []), "chunk_ms": taken.pop("chunk_ms", None)}
    fingerprint = {**taken, "family": "nova", "workload": {"kind": "paced audio", **heard}}
    rungs = [{"ending_p95_ms": rung.get("finalisation_p95_ms"), **rung} for rung in content.get("rungs", ())]
    return {**content, "unit": "streams", "fingerprint": fingerprint, "rungs": rungs}


def _checked(content: dict[str, Any]) -> dict[str, Any]:
    """The content, once what others read of it has the types that they read it as; else ValueError."""
    unknown = dict.fromkeys(("measured_at", "effort"), "unknown")
    whole = {"infeasible_min": None, "rungs": [], **unknown, **content}
    types: dict[str, Any] = {
        "problem": (str, NoneType),
        "measured_at": str,
        "fingerprint": dict,
        "feasible_max": int,
        "infeasible_min": (int, NoneType),
        "rungs": list,
    }
    wrong = [name for name, kind in types.items() if not isinstance(whole[name], kind)]
    if not wrong:
        where = dict.fromkeys(("region", "model_package_arn"), "unknown")
        whole["fingerprint"] = {"instance_type": None, **where, **whole["fingerprint"]}
        wrong += [] if isinstance(whole["fingerprint"]["instance_type"], (str, NoneType)) else ["instance_type"]
        wrong += [] if all(isinstance(rung, dict) and "n" in rung for rung in whole["rungs"]) else ["rungs"]
    if wrong:
        raise ValueError(f"its {', '.join(wrong)} cannot be read")
    return whole
