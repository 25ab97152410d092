"""One server between applications and every AI model.

    Gateway              the whole gateway inside this process
    Client, AsyncClient  talk to a gateway that runs elsewhere
    errors               what can go wrong

Exports are loaded when first used, so that `import narthex` costs next to nothing.
"""

from __future__ import annotations

__version__ = "0.1.0"
