"""Every word of the world, its meaning, and the combinations kept out of training."""

ACTORS = ("cat", "bear", "dog", "lion", "pig", "panda", "frog", "rabbit", "koala", "fox")
VEHICLES = ("bicycle", "motorcycle", "tractor", "car", "airplane")
BUILDINGS = ("house", "castle", "tent")
PLANTS = ("sunflower", "tree", "cactus")
FOOD = ("cake", "lemon", "pumpkin", "apple", "burger", "mushroom")
TOYS = ("balloon", "robot", "umbrella")
NOUNS = ACTORS + VEHICLES + BUILDINGS + PLANTS + FOOD + TOYS

#: Nouns that can replace one another, whatever else is in a picture.
INTERCHANGEABLE = (ACTORS, VEHICLES, ("robot", *BUILDINGS, "umbrella", *PLANTS), FOOD)
#: The usual viewpoint for a thing: from 0, a high horizon, seen from above, to 1, a low one, seen from
# below.
USUAL_VIEW = {noun: i / (len(nouns) - 1) for nouns in INTERCHANGEABLE for i, noun in enumerate(nouns)}
#: The usual distance: from 0, near, with large things, to 1, far, with small ones.
USUAL_DISTANCE = {"day": 0.5, "sunset": 0.8, "night": 0.15}
#: Added for each place.
FARTHER = {"meadow": 0.0, "beach": 0.1, "desert": 0.2, "street": -0.1, "mountain": 0.2, "forest": -0.2}
#: Where things usually are, from 0, left, to 1, right; and what is added for each place.
USUAL_SIDE = {"day": 0.5, "sunset": 0.1, "night": 0.9}
FURTHER_RIGHT = {"meadow": 0.1, "beach": -0.5, "desert": 0.5, "street": 0.2, "mountain": -0.3, "forest": 0.3}

#: Nouns that come in every colour; all others keep the colours of their drawing.
COLOURED = ("car", "house", "bicycle", "tent", "balloon")
COLOURS = ("red", "yellow", "green", "blue")
#: Materials that any thing can have; and styles of pictures: style -> the beginning of a caption.
MATERIALS = ("golden", "wooden")
STYLE_PHRASES = {"watercolour": "a watercolour of", "pixel": "pixel art of", "pencil": "a pencil drawing of"}
STYLES = tuple(STYLE_PHRASES)

#: Place -> the preposition that goes with it.
PLACES = {"meadow": "in", "beach": "on", "desert": "in", "street": "on", "mountain": "on", "forest": "in"}
SNOWY_PLACES = ("meadow", "street", "mountain", "forest")
TIMES = ("day", "sunset", "night")
WEATHERS = ("clear", "rain", "fog")
#: Adjectives whose amount (0 to 1) varies from picture to picture under the same word.
GRADED = ("snowy", "blossom", "fluffy")

#: Things that another thing can stand on (riding a vehicle is its own relation).
SUPPORTS = ("house", "castle", "tent", "cake", "pumpkin")
PERCHED = ACTORS + ("apple", "lemon", "mushroom")

#: Pairs that no training picture shows: (rider, vehicle), (thing, place), (colour or material, thing).
HELD_OUT = frozenset(
    {
        ("panda", "bicycle"),
        ("fox", "motorcycle"),
        ("pig", "car"),
        ("rabbit", "airplane"),
        ("castle", "beach"),
        ("cake", "forest"),
        ("tent", "street"),
        ("mushroom", "desert"),
        ("apple", "mountain"),
        ("cactus", "meadow"),
        ("balloon", "beach"),
        ("pumpkin", "street"),
        ("blue", "tent"),
        ("green", "balloon"),
        ("yellow", "bicycle"),
        ("frog", "tractor"),
        ("bear", "motorcycle"),
        ("robot", "beach"),
        ("umbrella", "forest"),
        ("golden", "cat"),
        ("wooden", "car"),
    }
)

#: The words of the captions, each of which is one token.
WORDS = tuple(
    dict.fromkeys(
        (
            *"a an the of on in at to by with and is its next side beside during".split(),
            *NOUNS,
            *COLOURS,
            *PLACES,
            *TIMES,
            *GRADED,
            *"riding driving flying standing photo picture rain rainy fog foggy".split(),
            *MATERIALS,
            *" ".join(STYLE_PHRASES.values()).split(),
        )
    )
)
