"""The playground as its readers drive it, and the scripted models that answer there."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

ANSWERS_WITHIN_MS = 60_000
PHONE = {"width": 390, "height": 844}

MARKUP = "<img src=x onerror=alert(1)><script>alert(1)</script> ![x](https://evil.example/x.png) **bold**"
MARKDOWN = "# Title\n\n`code`, [link](https://example.org)\n\n```python\nx = 1  # one\n```"
SCRIPT = {
    "kind": "scripted",
    "script": {
        "models": ["calm", "quick"],
        "directives": True,
        "tokens_per_second": 120,
        "reply_tokens": 60,
        "replies": [{"when": "markup", "reply": MARKUP}, {"when": "markdown", "reply": MARKDOWN}],
    },
}


def prompt_field(page: Page) -> Locator:
    """Return where prompts are written."""
    return page.get_by_role("textbox", name="Prompt", exact=True)


def ask(page: Page, prompt: str) -> None:
    """Write a prompt and send it by keyboard."""
    prompt_field(page).fill(prompt)
    prompt_field(page).press("Control+Enter")


def last_answer(page: Page) -> str:
    """Return the text of the newest answer as it stands."""
    return page.get_by_role("article", name="Answer").last.inner_text()


def await_answer(page: Page) -> None:
    """Wait for the newest answer to be over."""
    expect(page.get_by_role("button", name="Ask again")).to_be_visible(timeout=ANSWERS_WITHIN_MS)
