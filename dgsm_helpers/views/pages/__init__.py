"""Whole pages, the report and the live view outside a notebook, and the frame they share.

Stand-alone HTML in the browser's light or dark; nothing is fetched.
"""

from importlib.resources import files

from dgsm_helpers.rules.foreign_text import in_html

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
{head}<title>{title}</title>
<style>
{style}
</style></head><body>{body}</body></html>
"""


def html_page(title: str, body: str, *, style: str, head: str = "") -> str:
    """A whole page.

    Args:
        title: shown by the browser; escaped here.
        body: HTML.
        style: CSS.
        head: further HTML of the head, such as a script.
    """
    return _PAGE.format(title=in_html(title), body=body, style=style.strip(), head=head)


def page_part(name: str) -> str:
    """A style or script of a page, by its file's name."""
    return (files("dgsm_helpers") / "data" / name).read_text(encoding="utf-8")
