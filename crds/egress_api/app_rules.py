"""Which rules hold for the pages of which app: the shape in which gateway and operator are told the same thing."""

from pydantic import Field

from egress_api.base import Strict
from egress_api.page import PageRules
from egress_api.spec import AppId


class AppPageRules(Strict):
    """Where the pages of each app may reach."""

    default: PageRules = Field(
        default_factory=PageRules, description="Rules for every app that has none of its own."
    )
    apps: dict[AppId, PageRules] = Field(
        default_factory=dict,
        description="Rules by app id, {allow, deny, ports}; they take the default's place, nothing is added up.",
    )

    def of(self, app_id: str) -> PageRules:
        """Return the rules of an app."""
        return self.apps.get(app_id, self.default)
