"""Plain text: stories, letters, weather reports, recipes, notices and talk at a desk. No tasks and no labels."""

from random import Random

from trainer.seedling.grammar import Grammar
from trainer.seedling.messages import message, sentence_case
from trainer.seedling.words import rules

_GRAMMAR = Grammar(rules())
_SENTENCES = (
    "{subject} {verb} the {adj} {noun} {where}.",
    "{subject} {verb} a {noun} {adverb}.",
    "{subject} {verb} the {noun} {because}.",
    "{day}, {subject} {verb} {n} {noun}s {where}.",
    "(there was|there is) a {adj} {noun} {where}.",
    "{subject} (is|was|felt|looked) {adj} {because}.",
    "the {noun} of {subject} (is|was|became) {adj} and {adj}.",
    "{subject} did not {plain} the {noun}, so {subject} {verb} it {adverb}.",
    "(why|when|how) did {subject} {plain} the {noun}?",
    "if the {noun} is {adj}, (ask|call|tell|pay|help) {subject}.",
    "{subject} (can|will|must|should|could|may) {plain} the {adj} {noun} {where}.",
    "{subject} has never {done} such a {adj} {noun}.",
    "nobody {where} knew that {subject} {verb} the {noun}.",
    '"{reply}," said {subject}.',
)
_WEATHER = (
    "the weather in {town} (is|will be|was) {weather} {day}.",
    "it (is|was|will be) {weather} and {weather} in {country}.",
    "{town}: {digit} degrees, {weather}, later {weather}.",
    "take (a coat|an umbrella|a hat|water) because it is {weather}.",
    "(the wind comes|rain comes|clouds come) from the (north|south|east|west) {day}.",
)
_LETTER_BODY = (
    "thank you for your (letter|message|email|call) of {digit} {month}.",
    "we are (sorry|happy|pleased) to tell you that your {noun} (is ready|has arrived|was lost|is on its way).",
    "please (send|bring|return|sign) the {noun} by {weekday}.",
    "the (price|fee|total) is {money}.",
    "we (will|can) (call|visit|pay|write to|refund) you {day}.",
    "if you have any questions, (please |)(call|write to|ask) {first_name} {last_name}.",
    "your {noun} is at the {place} in {town}.",
    "we have (checked|received|changed|cancelled|confirmed) your {noun}.",
)


def document(rng: Random) -> str:
    """One short plain text of one to six sentences."""
    kind = rng.choices((_story, _letter, _weather, _recipe, _talk, _posts), (6, 2, 1, 1, 2, 3))[0]
    return kind(rng)


def _lines(templates: tuple[str, ...], low: int, high: int, rng: Random) -> str:
    return " ".join(sentence_case(_GRAMMAR.expand(rng.choice(templates), rng)) for _ in range(rng.randint(low, high)))


def _story(rng: Random) -> str:
    return _lines(_SENTENCES, 1, 4, rng)


def _weather(rng: Random) -> str:
    return _lines(_WEATHER, 1, 4, rng)


def _letter(rng: Random) -> str:
    greeting = _GRAMMAR.expand("Dear ({first_name}|Mr {last_name}|Mrs {last_name}|customer|team),", rng)
    end = _GRAMMAR.expand("(Kind regards|Best wishes|Yours sincerely|Many thanks), {first_name} {last_name}", rng)
    return f"{greeting}\n{_lines(_LETTER_BODY, 1, 4, rng)}\n{end}"


def _recipe(rng: Random) -> str:
    title = sentence_case(_GRAMMAR.expand("{food} with {food}", rng))
    steps = [sentence_case(_GRAMMAR.expand("{cook_step}.", rng)) for _ in range(rng.randint(2, 5))]
    return f"{title}\n" + "\n".join(f"{number}. {step}" for number, step in enumerate(steps, 1))


def _talk(rng: Random) -> str:
    lines = [message(rng).text, sentence_case(_GRAMMAR.expand("{reply}.", rng)), message(rng).text]
    return "\n".join(f"- {line}" for line in lines)


def _posts(rng: Random) -> str:
    return "\n".join(message(rng).text for _ in range(rng.randint(1, 3)))
