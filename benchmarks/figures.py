"""One line of the table that a run prints."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    what: str
    value: float
    unit: str
    aim: str
    how: str

    def row(self) -> str:
        return f"| {self.what} | {self.value:.2f}{self.unit} | {self.aim} | {self.how} |"
