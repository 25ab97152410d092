"""Words that decide whether two questions are one: English first.

Everything here is in lower case. Lists are read once; a line is a group.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


OPENERS = _words(
    """hi hello hey hiya heya dear please pls plz kindly thanks thank thx cheers um uh er erm hmm yeah ok okay well so
    just actually basically folks guys sorry btw fyi"""
)
"""Said for politeness or out of habit before a question."""
CLOSERS = _words("please pls plz thanks thank thx ty cheers lol btw fyi")
"""Said after one."""
FILLERS = OPENERS | CLOSERS

OPENINGS = (
    "good morning",
    "good afternoon",
    "good evening",
    "hi there",
    "hello there",
    "hey there",
    "hi team",
    "hi all",
    "quick question",
    "quick one",
    "just wondering",
    "i was wondering",
    "i'm wondering",
    "i am wondering",
    "sorry to bother you",
    "excuse me",
    "thanks in advance",
    "does anyone know",
    "do you know",
    "any idea",
    "can you tell me",
    "could you tell me",
    "would you tell me",
    "can you please tell me",
    "could you please tell me",
    "can anyone tell me",
    "can someone tell me",
    "can you explain",
    "could you explain",
    "please explain",
    "please tell me",
    "tell me",
    "let me know",
    "i'd like to know",
    "i would like to know",
    "i want to know",
    "i need to know",
    "i have a question",
    "one question",
)
"""Ways to open a question that say nothing of it."""
CLOSINGS = ("thank you", "thanks in advance", "many thanks", "thanks a lot", "by any chance", "if possible")
"""Ways to close one."""

FUNCTION = _words(
    """a an the this that these those of in on at by for with to from into onto about as is are was were be been being
    am do does did doing done can could will would shall should may might must have has had having i me my mine we us
    our ours you your yours he him his she her hers it its they them their theirs one ones someone anyone somebody
    anybody and or but if then than so there here what which who whom whose when where why how much many long often far
    get gets got getting go going goes way ways thing things need needs want wants wanted like please just also some any
    possible able let lets make makes made making s t d ll re ve m im ive id whats hows wheres whos thats theres need
    best steps step process procedure method exactly actually really please tell know explain give show find out up
    looking trying try work works instructions guide ok mean means meaning meant definition define describe happen
    happens happened now own around through via per even still ever already next"""
)
"""Words that seldom make two questions different; those that do are looked at one by one."""

NEGATORS = _words(
    """not no never none neither nor nobody nothing nowhere without cannot cant dont doesnt didnt isnt arent wasnt
    werent wont wouldnt shouldnt couldnt hasnt havent hadnt mustnt neednt aint except excluding exclude excluded
    excludes minus lacking lack unable fail fails failed failing refuse refuses refused instead hardly barely unless"""
)

QUESTIONS = _words("what which who whom whose when where why how")

TIMELY = _words(
    """today tonight tomorrow yesterday now currently latest newest recent recently nowadays this-week breaking
    upcoming forecast weather headline headlines score scores trending live"""
)
"""Words whose answer is another one tomorrow."""
TIMELY_PHRASES = (
    "right now",
    "at the moment",
    "this week",
    "this month",
    "this year",
    "this morning",
    "last night",
    "last week",
    "next week",
    "so far",
    "as of",
    "up to date",
    "what time is it",
    "what day is",
    "what is the date",
    "what's the date",
    "exchange rate",
    "stock price",
    "share price",
    "price of bitcoin",
    "in the news",
    "still open",
)
PERSONAL_PHRASES = (
    "my name",
    "who am i",
    "where am i",
    "about me",
    "remember me",
    "i told you",
    "i said",
    "we discussed",
    "we talked",
    "you said",
    "you told me",
    "my order",
    "my parcel",
    "my delivery",
    "my balance",
    "my password is",
    "my address is",
    "my email is",
    "my appointment",
    "my booking",
    "my claim",
    "my ticket",
    "my results",
    "my birthday",
    "my age",
    "last conversation",
    "our conversation",
    "previous message",
    "above",
)
"""Words whose answer belongs to the one who asks, or to what was said before."""

NUMBERS = {
    word: value
    for value, words in {
        0: "zero",
        1: "one",
        2: "two twice double pair couple",
        3: "three thrice triple",
        4: "four",
        5: "five",
        6: "six",
        7: "seven",
        8: "eight",
        9: "nine",
        10: "ten",
        11: "eleven",
        12: "twelve dozen",
        13: "thirteen",
        14: "fourteen fortnight",
        15: "fifteen",
        16: "sixteen",
        17: "seventeen",
        18: "eighteen",
        19: "nineteen",
        20: "twenty",
        30: "thirty",
        40: "forty",
        50: "fifty",
        60: "sixty",
        70: "seventy",
        80: "eighty",
        90: "ninety",
        0.5: "half",
        0.25: "quarter",
    }.items()
    for word in words.split()
} | {
    word: float(value)
    for words in ("first second third fourth fifth sixth seventh eighth ninth tenth",)
    for value, word in enumerate(words.split(), 1)
}
SCALES = {"hundred": 100.0, "thousand": 1000.0, "k": 1000.0, "million": 1e6, "m": 1e6, "billion": 1e9, "bn": 1e9}

UNITS = {
    word: words.split()[0]
    for words in (
        "second seconds sec secs",
        "minute minutes min mins",
        "hour hours hr hrs h",
        "day days",
        "week weeks wk wks",
        "month months mth mths",
        "year years yr yrs",
        "decade decades",
        "century centuries",
        "millimetre mm millimeter millimetres millimeters",
        "centimetre cm centimeter centimetres centimeters",
        "metre metres meter meters",
        "kilometre km kilometer kilometres kilometers kms",
        "mile miles mi",
        "foot feet ft",
        "inch inches",
        "yard yards yd",
        "gram g grams gramme grammes",
        "kilogram kg kgs kilo kilos kilograms",
        "pound lb lbs pounds",
        "ounce oz ounces",
        "tonne tonnes ton tons",
        "litre l liter litres liters",
        "millilitre ml milliliter",
        "gallon gallons gal",
        "celsius c",
        "fahrenheit f",
        "kelvin",
        "percent % pct",
        "£ gbp quid",
        "$ usd dollar dollars",
        "€ eur euro euros",
        "¥ yen jpy",
        "byte bytes",
        "kb kilobyte kilobytes",
        "mb megabyte megabytes",
        "gb gigabyte gigabytes gig",
        "tb terabyte terabytes",
        "volt volts v",
        "watt watts w",
        "amp amps",
        "calorie calories kcal",
        "bedroom bedrooms bed",
        "person people persons",
        "am",
        "pm",
    )
    for word in words.split()
}

DATES = {
    word: words.split()[0]
    for words in (
        "january jan",
        "february feb",
        "march",
        "april apr",
        "may-month",
        "june jun",
        "july jul",
        "august aug",
        "september sep sept",
        "october oct",
        "november nov",
        "december dec",
        "monday mon mondays",
        "tuesday tue tues tuesdays",
        "wednesday wed wednesdays",
        "thursday thu thur thurs thursdays",
        "friday fri fridays",
        "saturday sat saturdays",
        "sunday sun sundays",
        "weekend weekends",
        "weekday weekdays",
        "christmas xmas",
        "easter",
        "spring",
        "summer",
        "autumn",
        "winter",
        "morning",
        "afternoon",
        "evening",
        "night overnight",
        "noon midday",
        "midnight",
    )
    for word in words.split()
}

DIRECTIONS = {"from": "away", "to": "toward", "into": "toward", "onto": "toward", "off": "away", "before": "before"} | {
    "after": "after",
    "above": "above",
    "below": "below",
    "over": "above",
    "under": "below",
    "with": "with",
    "without": "without",
    "until": "before",
    "since": "after",
}
"""Words before a thing that say which part it plays."""
RELATIONS = {word: word for word in ("to", "in", "from", "of", "by", "than", "for", "before", "after", "on", "per")} | {
    "into": "to",
    "onto": "to",
    "inside": "in",
    "against": "by",
}
"""Words between two things that are not the same the other way round."""
