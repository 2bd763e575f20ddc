"""What a shell must not hold beside the environment of the embedded AWS."""

from __future__ import annotations

from dgsm_helpers.places.server_info import LEADS_ELSEWHERE


def test_what_leads_elsewhere_is_named_whether_this_shell_holds_it_or_not(embedded, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "https://bedrock.example.com")
    monkeypatch.setenv("AWS_CLI_AUTO_PROMPT", "on")
    left_over = embedded.info.left_over()
    assert {*LEADS_ELSEWHERE, "AWS_ENDPOINT_URL_BEDROCK_RUNTIME"} <= set(left_over)
    assert not {"AWS_CLI_AUTO_PROMPT", *embedded.info.env()} & set(left_over)


def test_names_that_no_shell_can_unset_are_left_out(embedded, monkeypatch):
    monkeypatch.setenv("AWS_A.B", "x")
    monkeypatch.setenv("AWS_\u00c9", "x")
    assert all(name.isascii() and name.isidentifier() for name in embedded.info.left_over())
