"""Which models a caller sees: those that their key and their workspace let them call, and no others."""

from __future__ import annotations

from narthex.errors import NarthexError
from narthex.http.services import Services
from narthex.tenancy.bounds import Bounds
from narthex.tenancy.keys import Caller


class Visible:
    """Tells whether somebody may call a model, by the names that it goes by."""

    def __init__(self, services: Services, caller: Caller) -> None:
        """Take who asks."""
        self._services = services
        self._bounds: Bounds | None = caller.bounds

    def meant(self, name: str) -> str:
        """Return the name that a plain one stands for in the workspace of who asks."""
        bounds, catalog = self._bounds, self._services.catalog
        provider = "" if bounds is None else bounds.default_provider
        return name if not provider or "/" in name or name in catalog.aliases else catalog.of_provider(provider, name)

    def sees(self, name: str) -> bool:
        """Tell whether a call by this name may go somewhere."""
        bounds, catalog, router = self._bounds, self._services.catalog, self._services.router
        if bounds is None:
            return True
        if name in catalog.merged:
            # Every model of it is called by its own name.
            return all(self.sees(one) for one in self._services.explainer.merges.recipe(name).models)
        model = next((one for one in router.virtual_models if one.name == catalog.canonical(name)), None)
        if model is None:
            return bounds.permit(name, self._target(name))
        return any(bounds.permit(name, self._target(one.model)) for one in model.members)

    def _target(self, name: str) -> str:
        try:
            return self._services.catalog.resolve(name).name
        except NarthexError:
            # Nobody is told of it anyway.
            return name
