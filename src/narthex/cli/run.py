"""`narthex run`."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

import click

from narthex.cli.door import Question, open_door
from narthex.cli.parameters import config_option, json_option, server_options
from narthex.cli.terminal import note, print_json, printable, tolerate_any_text
from narthex.client import Generation
from narthex.client.values import GenerateOptions

_HELP = """
Ask a model; the answer streams to the terminal.

What comes in through a pipe is appended to the prompt. A running server is asked; if there is none, the answer is
made in this process. The answer goes to standard output, everything else to standard error.

\b
Examples:
  narthex run "Name three colours."
  cat notes.txt | narthex run "Summarise this:" -m groq/llama-3.3-70b-versatile
  narthex run "A person" --schema person.json > person.json
  narthex run "Explain this" --file main.py -s "You teach beginners."
"""


@click.command(help=_HELP)
@click.argument("prompt", nargs=-1)
@click.option("-m", "--model", metavar="NAME", help="provider/model or an alias; by default the default model.")
@click.option("-s", "--system", metavar="TEXT", help="How the model shall behave.")
@click.option(
    "-f",
    "--file",
    "files",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Append a text file to the prompt; may be repeated.",
)
@click.option(
    "--format", "form", type=click.Choice(["text", "xml", "json"]), help="Form of the answer; by default text."
)
@click.option(
    "--schema",
    type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=False),
    help="JSON schema that the answer must fit; implies --format json.",
)
@click.option("--root", metavar="NAME", help="Name of the outermost element, with --format xml.")
@click.option("--max-tokens", type=click.IntRange(min=1), help="Most tokens to answer.")
@click.option("--temperature", type=click.FloatRange(min=0, max=2), help="0 for the likeliest words, up to 2.")
@click.option("--seed", type=int, help="Same seed, same answer, where the model can do that.")
@click.option("--stop", multiple=True, metavar="TEXT", help="End before this text; may be repeated.")
@click.option("--no-stream", is_flag=True, help="Print the answer when it is whole.")
@json_option
@server_options
@config_option
def command(*, as_json: bool, url: str | None, is_local: bool, file: Path | None, **said: object) -> None:
    """Ask a model."""
    tolerate_any_text()
    question = _question(said, as_json=as_json)
    printer = _Printer(is_terminal=sys.stdout.isatty())
    with open_door(url=url, is_local=is_local, remark=note, file=file) as door:
        try:
            generation = door.generate(question, printer.piece)
        finally:
            printer.end()
    _finish(generation, question, printer, as_json=as_json)


def _question(said: dict[str, object], *, as_json: bool) -> Question:
    """Gather what is asked.

    Raises:
        click.UsageError: There is no prompt, or what was said does not fit together.
    """
    schema = cast("Path | None", said["schema"])
    form = cast('Literal["text", "xml", "json"]', said["form"] or ("json" if schema else "text"))
    if schema and form != "json":
        raise click.UsageError("--schema goes with --format json only.")
    if said["root"] and form != "xml":
        raise click.UsageError("--root goes with --format xml only.")
    options: GenerateOptions = {
        "model": cast("str | None", said["model"]),
        "system": cast("str | None", said["system"]),
        "format": form,
        "schema": _schema(schema) if schema else None,
        "root": cast("str | None", said["root"]),
        "max_output_tokens": cast("int | None", said["max_tokens"]),
        "temperature": cast("float | None", said["temperature"]),
        "seed": cast("int | None", said["seed"]),
        "stop": list(cast("tuple[str, ...]", said["stop"])) or None,
    }
    prompt = _prompt(cast("tuple[str, ...]", said["prompt"]), cast("tuple[Path, ...]", said["files"]))
    # A form is checked and repaired when it is whole, so there is nothing good to show before.
    return Question(
        prompt=prompt, options=options, is_streamed=form == "text" and not as_json and not said["no_stream"]
    )


def _prompt(words: tuple[str, ...], files: tuple[Path, ...]) -> str:
    parts = [" ".join(words)] if words != ("-",) else []
    parts += [_text_of(file) for file in files]
    if not sys.stdin.isatty():
        parts.append(_decoded(sys.stdin.buffer.read(), "standard input").rstrip("\n"))
    prompt = "\n\n".join(part for part in parts if part.strip())
    if not prompt:
        raise click.UsageError('There is no prompt: narthex run "Name three colours."')
    return prompt


def _text_of(file: Path) -> str:
    return _decoded(file.read_bytes(), str(file)).rstrip("\n")


def _decoded(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{name} is not UTF-8 text.") from error


def _schema(file: Path) -> dict[str, object]:
    try:
        schema: object = json.loads(_text_of(file))
    except ValueError as error:
        raise click.UsageError(f"{file} is not JSON: {error}.") from error
    if not isinstance(schema, dict):
        raise click.UsageError(f"{file} is not a JSON schema: expected an object.")
    return schema


@dataclass
class _Printer:
    """Prints an answer as it comes, and measures it."""

    is_terminal: bool
    started_at: float = field(default_factory=time.monotonic)
    first_at: float | None = None
    last: str = ""

    def piece(self, text: str) -> None:
        """Print a piece at once."""
        if not text:
            return
        self.first_at = self.first_at or time.monotonic()
        self.last = text[-1]
        click.echo(printable(text) if self.is_terminal else text, nl=False)

    def end(self) -> None:
        """Leave the cursor at the beginning of a line, also after an answer that broke."""
        if self.last and self.last != "\n":
            click.echo()
            self.last = "\n"


def _finish(generation: Generation, question: Question, printer: _Printer, *, as_json: bool) -> None:
    if as_json:
        print_json(_plain(generation))
    elif generation.format == "json":
        click.echo(json.dumps(generation.output, ensure_ascii=False, indent=2))
    elif not question.is_streamed:
        printer.piece(str(generation.output))
        printer.end()
    if generation.finish_reason == "length":
        note("the answer was cut at its limit of tokens; raise it with --max-tokens")
    if sys.stderr.isatty():
        note(_usage(generation, printer))


def _plain(generation: Generation) -> dict[str, object]:
    import msgspec  # noqa: PLC0415 - beside its one use

    plain: dict[str, object] = msgspec.to_builtins(generation)
    return {"id": plain.pop("id"), "object": "generation", **plain}


def _usage(generation: Generation, printer: _Printer) -> str:
    """Say in one line what the answer took."""
    now = time.monotonic()
    parts = [generation.model]
    usage = generation.usage
    if usage is not None:
        about = "about " if usage.estimated else ""
        parts.append(f"{about}{usage.input_tokens} tokens in, {usage.output_tokens} out")
    parts.append(f"{now - printer.started_at:.1f} s")
    if printer.first_at is not None and usage is not None and usage.output_tokens > 1:
        parts.append(f"first after {printer.first_at - printer.started_at:.2f} s")
        parts.append(f"{(usage.output_tokens - 1) / max(now - printer.first_at, 1e-6):.0f} tokens/s")
    return " · ".join(parts)
