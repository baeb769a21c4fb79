"""Which names and nouns are places."""

import re

_NOUNS = (
    "house|church|head|port|harbour|harbor|island|bay|station|library|city|tower|hall|bridge|wood|woods|forest|river|lake|"
    "school|inn|quay|lighthouse|observatory|market|mill|castle|palace|street|square|hospital|hotel|cabin|village|mountain|"
    "valley|desert|abbey|monastery|archive|museum|academy|garden|farm|cave|mine|ship|theatre|theater|prison|temple|cafe|"
    "café|bar|office|apartment|kitchen|cellar|attic|workshop|laboratory|lab|bakery|bookshop|university|cemetery|beach|road|"
    "hill|moor"
)
PLACE = re.compile(
    rf"\b(?:The |the |an? )(?:[a-z]{{1,30}} )?(?:{_NOUNS})\b|\b(?:[A-Z][\w’']{{1,30}} ){{1,3}}(?i:{_NOUNS})\b"
)
PLACE_WORD = re.compile(rf"\b(?:{_NOUNS})s?\b")
_ENDS = re.compile(rf"(?:^|\W)(?:{_NOUNS})$", re.IGNORECASE)


def is_place(name: str, text: str) -> bool:
    """Whether `name` ends like a place or `text` uses it like one: mostly after "in", "to" and the like."""
    if _ENDS.search(name):
        return True
    uses = len(re.findall(rf"\b{re.escape(name)}\b", text))
    places = re.findall(
        rf"\b(?:in|at|to|into|near|through|across|outside|leaves|reaches|of) (?:the )?{re.escape(name)}\b", text
    )
    return bool(uses) and len(places) * 2 > uses
