"""CSV files, checked against a mapping, reviewed by a person, applied to a target."""

from procession.jobs.csv_import.importing import CsvImport

__all__ = ["CsvImport"]
