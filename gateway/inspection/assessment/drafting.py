"""Makes a draft of facts."""

from gateway.inspection.assessment.describing import described
from gateway.inspection.assessment.document import Document, Part, Said, Section, Table
from gateway.inspection.assessment.facts import Facts
from gateway.inspection.assessment.justifying import justified
from gateway.inspection.assessment.weighing import weighed


def draft(facts: Facts) -> Document:
    """The draft: the same for the same facts."""
    sections = (*described(facts), *justified(facts), *weighed(facts), _made_of(facts))
    return Document("Impact assessment, draft", facts.made_on, sections)


def _made_of(facts: Facts) -> Section:
    parts: list[Part] = [
        Said(f"The product's version is {facts.product}.", "the installed product")
    ]
    if facts.inputs:
        parts.append(Table(("given", "SHA-256"), facts.inputs, "files that were given"))
    else:
        parts.append(Said("Nothing was given.", "the command's options", look=True))
    return Section(
        "What this draft was made of", "so that somebody else can make it again", tuple(parts)
    )
