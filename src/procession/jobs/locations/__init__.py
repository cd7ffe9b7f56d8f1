"""Locations found in a text, or improved, by an AI; a person reviews them before they are kept."""

from procession.jobs.locations.locating import AiLocationImport, AiLocationImprovement

__all__ = ["AiLocationImport", "AiLocationImprovement"]
