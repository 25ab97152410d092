"""In which language a question is asked: coarse, and the same for the same words."""

from __future__ import annotations

import re
import unicodedata

_WORD = re.compile(r"[^\W\d_]+")
_COMMON = {
    "en": """the a is are of to in and how what do does i my can you for with on when where why who which it be
    not from""",
    "de": """der die das ist sind ein eine und wie was ich kann mein für mit auf wann wo warum wer nicht von zu
    den im man""",
    "fr": """le la les est sont un une et comment que quel quelle je puis mon ma pour avec sur quand où pourquoi
    qui ne pas de des du""",
    "es": """el la los las es son un una y cómo como qué que cuál yo puedo mi para con en cuándo dónde por quién
    no de del se""",
    "it": """il lo la gli è sono un una e come che cosa quale io posso mio per con su quando dove perché chi non
    di del si""",
    "pt": """o a os as é são um uma e como que qual eu posso meu para com em quando onde por quem não de do da se""",
    "nl": """de het een is zijn en hoe wat ik kan mijn voor met op wanneer waar waarom wie niet van te in""",
}
_LISTS = {language: frozenset(words.split()) for language, words in _COMMON.items()}


def language_of(text: str) -> str:
    """Return a two-letter code, the name of a script that is not Latin, or `und` where little is said."""
    letters = [letter for letter in text if letter.isalpha()]
    foreign = next((letter for letter in letters if ord(letter) > 0x24F), None)
    if foreign is not None and sum(ord(letter) > 0x24F for letter in letters) * 2 > len(letters):
        return unicodedata.name(foreign, "unknown").split()[0].lower()
    words = _WORD.findall(text.lower())
    counts = {language: sum(word in common for word in words) for language, common in _LISTS.items()}
    best = max(counts, key=lambda language: counts[language])
    if counts[best] > counts["en"]:
        return best
    return "en" if text.isascii() else "und"
