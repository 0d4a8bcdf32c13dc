"""256 English words for reading aloud, one per byte: common things, no two alike in their first three letters. Shown in
Latin letters in every language, so that two screens in two languages can be compared. Data only."""

WORDS: tuple[str, ...] = (
    "acorn", "album", "almond", "amber", "anchor", "angel", "apple", "apron", "arch", "arrow", "atlas", "autumn",
    "badge", "bagel", "bamboo", "banana", "barrel", "basket", "beach", "bell", "bench", "berry", "bishop", "blanket",
    "bottle", "bridge", "broom", "bucket", "butter", "cabin", "cactus", "camel", "candle", "carpet", "castle",
    "cedar", "cello", "chalk", "cherry", "chimney", "circle", "clock", "coffee", "comet", "copper", "coral", "cotton",
    "cradle", "crown", "crystal", "curtain", "dairy", "dancer", "desert", "diamond", "dinner", "doctor", "dolphin",
    "donkey", "dragon", "drum", "eagle", "earth", "echo", "elbow", "elephant", "ember", "engine", "evening", "fabric",
    "falcon", "farmer", "feather", "fiddle", "finger", "flame", "flower", "forest", "fossil", "fountain", "friday",
    "frost", "galaxy", "garden", "ginger", "giraffe", "glacier", "glove", "gold", "grape", "guitar", "hammer",
    "harvest", "hazel", "helmet", "heron", "hill", "honey", "horse", "hotel", "hunter", "iceberg", "igloo", "iguana",
    "island", "ivory", "jacket", "jaguar", "jasmine", "jelly", "jewel", "jungle", "kettle", "kingdom", "kitchen",
    "kiwi", "knight", "koala", "ladder", "lagoon", "lamp", "lantern", "lava", "lemon", "leopard", "library", "lily",
    "lion", "lobster", "locket", "lunch", "magnet", "mango", "maple", "marble", "meadow", "melon", "metal", "mirror",
    "monkey", "moon", "moss", "motor", "mountain", "music", "napkin", "nectar", "needle", "nest", "night", "noodle",
    "north", "novel", "nutmeg", "oasis", "ocean", "octopus", "olive", "onion", "opera", "orange", "orchid", "otter",
    "oven", "oyster", "paddle", "palace", "panda", "paper", "parrot", "peach", "pebble", "pelican", "pencil",
    "pepper", "piano", "pigeon", "pillow", "planet", "plum", "pocket", "pond", "potato", "powder", "pumpkin",
    "puzzle", "quarry", "queen", "quilt", "rabbit", "radio", "raven", "ribbon", "river", "robin", "rocket", "rose",
    "ruby", "saddle", "salmon", "sandal", "saturn", "scarf", "school", "sesame", "shadow", "shell", "silver",
    "sketch", "snow", "soup", "spider", "spoon", "spring", "square", "stone", "sugar", "summer", "sunday", "swan",
    "table", "tailor", "teapot", "temple", "thunder", "tiger", "timber", "tomato", "tower", "train", "tulip",
    "tunnel", "turtle", "umbrella", "uncle", "unicorn", "valley", "vanilla", "velvet", "village", "violin", "volcano",
    "waffle", "wagon", "walnut", "water", "whale", "wheel", "willow", "window", "wolf", "yacht", "yellow", "yogurt",
    "zebra", "zigzag",
)  # fmt: skip
